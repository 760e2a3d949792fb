/** The host's own tests. They are the same in every phase of its way to Embedbox, but for what a phase adds. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { createTestShell } from "embedbox/testing"
import { type Knowledge, knowledgeOver, openKnowledge } from "./knowledge.js"
import { openEntities } from "./legacy.js"
import { words } from "./words.js"

let folder: string
let knowledge: Knowledge

const open = () => openKnowledge({ database: join(folder, "knowledge.sqlite"), model: words })

/** The id in an answer. */
const idIn = (answer: string) => /saved as ([^;]+)/.exec(answer)?.[1] ?? "no id"

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "knowledge-"))
  knowledge = await open()
})

afterEach(async () => {
  await knowledge.close()
  rmSync(folder, { recursive: true })
})

it("keeps what it is told", async () => {
  const id = idIn(await knowledge.say("add Rye bread rests overnight"))
  expect(await knowledge.say(`show ${id}`)).toBe("Rye bread rests overnight")
  expect(await knowledge.say("show nothing-of-the-kind")).toBe("there is no nothing-of-the-kind")
  expect(await knowledge.say("count")).toBe("1 notes")
})

it("finds it again at once", async () => {
  const id = idIn(await knowledge.say("add Rye bread rests overnight"))
  await knowledge.say("add The chain wants oil")
  expect(await knowledge.say("find rye bread")).toContain(`${id}: Rye bread rests overnight`)
})

it("tells what else there is on the subject of a note", async () => {
  const id = idIn(await knowledge.say("add Rye bread rests overnight"))
  await knowledge.say("add The chain wants oil")
  expect(await knowledge.say("note Bread of rye flour")).toMatch(
    new RegExp(`^saved as \\S+; see also ${id}: Rye bread rests overnight$`),
  )
})

it("keeps a note of which nothing can be known", async () => {
  await using shell = await createTestShell()
  await shell.embedder.failWhen((text) => text.includes("oil"), "item")
  const answer = knowledgeOver(shell).say("note The chain wants oil")
  await shell.drain()
  expect(await answer).toMatch(/^saved as \S+$/)
})

it("calls nothing that is deprecated", async () => {
  const warnings: Array<string> = []
  const hear = (warning: Error) => void warnings.push(`${warning.name}: ${warning.message}`)
  process.on("warning", hear)
  try {
    await knowledge.say("add Rye bread rests overnight")
    await knowledge.say("note Bread of rye flour")
    await knowledge.importAll(["one", "two"])
    expect(warnings).toEqual([])
  } finally {
    process.off("warning", hear)
  }
})

it("takes many", async () => {
  expect(await knowledge.importAll(["one", "two", "three"])).toBe(3)
  expect(await knowledge.say("count")).toBe("3 notes")
})

it("has everything after a restart", async () => {
  const id = idIn(await knowledge.say("add Rye bread rests overnight"))
  await knowledge.close()
  knowledge = await open()
  expect(await knowledge.say(`show ${id}`)).toBe("Rye bread rests overnight")
  expect(await knowledge.say("find bread")).toContain(`${id}: Rye bread rests overnight`)
})

it("tells what waits, and what failed, and tries that again", async () => {
  await using shell = await createTestShell()
  const { say } = knowledgeOver(shell)
  await shell.embedder.failWhen((text) => text.includes("oil"), "item")
  const id = idIn(await say("add Rye bread rests overnight"))
  await say("add The chain wants oil")
  expect(await say("find bread")).toBe(`${id}: Rye bread rests overnight (2 not embedded yet)`)
  expect(await say("jobs")).toBe("2 wait, 0 failed")
  await shell.drain()
  expect(await say("jobs")).toBe("0 wait, 1 failed")
  expect(await say("find bread")).toBe(`${id}: Rye bread rests overnight`)
  await shell.embedder.reset()
  expect(await say("retry")).toBe("1 are tried again")
  await shell.drain()
  expect(await say("jobs")).toBe("0 wait, 0 failed")
})

it("takes over what was saved before", async () => {
  const former = join(folder, "former.sqlite")
  const legacy = openEntities(former, words)
  const { id } = await legacy.createEntity({ content: "Rye bread rests overnight" })
  await legacy.createEntity({ content: "The chain wants oil" })
  legacy.close()
  const again = await openKnowledge({ database: join(folder, "again.sqlite"), former, model: words })
  try {
    expect(await again.takenOver).toBe(2)
    expect(await again.say(`show ${id}`)).toBe("Rye bread rests overnight")
    expect(await again.say("find bread")).toContain(`${id}: Rye bread rests overnight`)
  } finally {
    await again.close()
  }
})

it("says what can be said", async () => {
  expect(await knowledge.say("add")).toMatch(/^say: add <text>/)
  expect(await knowledge.say("bake a cake")).toBe('I do not know "bake"')
})
