// @effect-diagnostics processEnv:off
/** A short run of the crash harness and, since nobody believes a judge who never convicts, of its judgement. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import * as Harness from "./Harness.js"
import * as Log from "./Log.js"

const rounds = 12
const seed = Number(process.env["EMBEDBOX_CRASH_SEED"] ?? process.hrtime.bigint() % 1_000_000n)

it.scopedLive(
  `what was acknowledged survives ${rounds} kills`,
  () =>
    Effect.gen(function* () {
      const report = yield* Harness.run({ rounds, seed })
      const repeat = `npm run test:crash -- --rounds ${rounds} --seed ${seed}; kept in ${report.folder}`
      expect(report.problems, repeat).toEqual([])
      expect(report.acknowledged, "operations acknowledged").toBeGreaterThan(20)
      expect(report.rounds).toBeGreaterThanOrEqual(rounds)
    }),
  120_000,
)

describe("the judge of the crash harness", () => {
  const operation = (mark: string, began: number, given: Partial<Log.Operation> = {}): Log.Operation => ({
    mark,
    kind: "write",
    call: "upsert",
    key: "k",
    began,
    ended: began + 5,
    known: "done",
    detail: undefined,
    ...given,
  })
  const final = (mark: string, text = mark): Log.Final => ({ mark, content: Log.textOf(text) })

  it("accepts the newest, and either of two that overlapped", () => {
    expect(Log.flawOf("k", [operation("1", 10), operation("2", 20)], final("2"))).toBeUndefined()
    const overlapping = [operation("1", 10), operation("2", 14)]
    expect(Log.flawOf("k", overlapping, final("1"))).toBeUndefined()
    expect(Log.flawOf("k", overlapping, final("2"))).toBeUndefined()
  })

  it("convicts older text over newer, a loss, and what nobody wrote", () => {
    const two = [operation("1", 10), operation("2", 20)]
    expect(Log.flawOf("k", two, final("1"))).toContain("acknowledged later: upsert 2")
    expect(Log.flawOf("k", two, undefined)).toContain("k is missing")
    expect(Log.flawOf("k", two, final("2", "1"))).toContain("k has the text of upsert 1")
    expect(Log.flawOf("k", [], final("3"))).toContain("k bears the mark of nothing")
    const gone = [operation("1", 10), operation("2", 20, { kind: "delete", call: "delete" })]
    expect(Log.flawOf("k", gone, final("1"))).toContain("acknowledged later: delete 2")
  })

  it("leaves open what was in flight, until something acknowledged came after", () => {
    const inFlight = operation("2", 20, { known: "in flight", ended: 30 })
    for (const seen of ["1", "2"]) {
      expect(Log.flawOf("k", [operation("1", 10), inFlight], final(seen))).toBeUndefined()
    }
    expect(Log.flawOf("k", [inFlight], undefined)).toBeUndefined()
    expect(Log.flawOf("k", [inFlight, operation("3", 40)], final("2"))).toContain("acknowledged later")
    const refused = operation("2", 20, { known: "refused" })
    expect(Log.flawOf("k", [operation("1", 10), refused], final("2"))).toContain("mark of nothing")
  })

  it("knows that a patch keeps the text", () => {
    const patched = [operation("1", 10), operation("2", 20, { kind: "patch", call: "patch" })]
    expect(Log.flawOf("k", patched, final("2", "1"))).toBeUndefined()
    expect(Log.flawOf("k", patched, final("1"))).toContain("acknowledged later: patch 2")
  })

  it("reads a log whose last line was cut off", () => {
    const begun: Log.Line = {
      line: "begun",
      mark: "c.0",
      client: "c",
      kind: "write",
      call: "upsert",
      key: "k",
      micros: 1,
    }
    const lines = Log.linesOf(`${JSON.stringify(begun)}\n{"line":"ended","ma`)
    expect(Log.operationsOf(lines, new Map([["c", 9]]))).toMatchObject([{ known: "in flight", ended: 9 }])
  })
})
