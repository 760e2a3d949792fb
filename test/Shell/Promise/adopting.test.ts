import Database from "better-sqlite3"
import { AdoptionRefusedError } from "embedbox/promise"
import { expect, it } from "vitest"
import { rejection, shellWith, temporaryDatabase } from "./fixtures.js"

const oldTable = () => {
  const file = temporaryDatabase()
  const database = new Database(file)
  database.exec(`CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT, created INTEGER);
    INSERT INTO notes VALUES ('a', 'rye bread', 1700000000), ('b', '', 1700000000), ('c', 'oil for a chain', 1700000000)`)
  database.close()
  return file
}

const mapping = { table: "notes", id: "id", content: "body", created: "created" }

it("a table that a host had before is brought in, once, and what cannot be is told", async () => {
  const file = oldTable()
  const shell = await shellWith()
  const { saved, skipped, unchanged } = await shell.adopt(file, mapping)
  expect([saved, unchanged]).toEqual([2, 0])
  expect(skipped).toMatchObject([{ key: "rowid=2", reason: expect.stringContaining("empty") }])
  expect(await shell.getEntity("a")).toMatchObject({ content: "rye bread", embedding: { state: "pending" } })
  expect(await shell.adopt(file, mapping)).toEqual({ saved: 0, unchanged: 0, kept: [], skipped })
  await shell.deleteEntity("a")
  expect(await shell.adopt(file, { ...mapping, metadata: ["id"] })).toMatchObject({
    saved: 1,
    kept: [{ key: "rowid=1", because: "deleted" }],
  })
  expect(await shell.adopt(file, mapping, { again: true })).toMatchObject({ saved: 2, unchanged: 0 })
  const refused = await rejection(shell.adopt(file, { ...mapping, content: "text" }))
  expect(refused).toBeInstanceOf(AdoptionRefusedError)
})
