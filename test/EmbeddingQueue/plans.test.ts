import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe } from "vitest"
import { AttemptToken, JobId } from "../../src/Domain/Job.js"
import * as Statements from "../../src/EmbeddingQueue/Statements.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { type Statement, Storage } from "../../src/Storage.js"
import { note } from "./fixtures.js"

const stamp = { now: 1000, leaseUntil: 2000, owner: "host:1:x" }
const key = { entityType: note("a").entityType, entityId: note("a").id }
const claim = { token: AttemptToken.make("t"), job: { generation: 1 } }
const ending = {
  status: "completed",
  outcome: "stored",
  successor: JobId.make("j"),
  crashCount: null,
  lastError: null,
  lastFault: null,
  now: 1000,
} as const
const back = {
  lane: "ready",
  scheduledFor: 0,
  retryCount: 0,
  crashCount: 0,
  lastError: null,
  lastFault: null,
  now: 1000,
} as const

const filter = { status: "failed", fault: "item", entityType: "base", errorContains: "x" } as const
const stretch = { after: { generation: 9, updatedAt: 9 }, until: { generation: 1, updatedAt: 1 } }
const attempt = {
  generation: 1,
  startedAt: 0,
  endedAt: 1000,
  worker: "host:1:x",
  crashed: false,
  fault: "item",
  error: "no",
} as const

/** Each statement that runs per job, per look or per page, and the indexes that must serve it. */
const hotPath: ReadonlyArray<
  readonly [name: string, build: (s: Statements.Statements) => Statement, indexes: ReadonlyArray<string>]
> = [
  ["ready", (s) => s.ready(16), ["embedding_queue_ready", "embedding_queue_live"]],
  ["suspect", (s) => s.suspect(1000), ["embedding_queue_suspect", "embedding_queue_live"]],
  ["claim", (s) => s.claim(1, stamp), ["INTEGER PRIMARY KEY"]],
  ["promote", (s) => s.promote(1000), ["embedding_queue_delayed"]],
  [
    "probe",
    (s) => s.probe(),
    ["embedding_queue_ready", "embedding_queue_delayed", "embedding_queue_suspect"],
  ],
  ["complete", (s) => s.complete(claim, "stored", 1000), ["INTEGER PRIMARY KEY"]],
  ["endLive", (s) => s.endLive(1, ending), ["INTEGER PRIMARY KEY"]],
  ["putBack", (s) => s.putBack(1, back), ["INTEGER PRIMARY KEY"]],
  ["held", (s) => s.held([claim]), ["INTEGER PRIMARY KEY", "embedding_queue_lease"]],
  ["renew", (s) => s.renew([claim], 2000, 1000), ["INTEGER PRIMARY KEY"]],
  ["liveOfKey", (s) => s.liveOfKey(key), ["embedding_queue_live"]],
  ["liveOfKeys", (s) => s.liveOfKeys([key]), ["embedding_queue_live", "INTEGER PRIMARY KEY"]],
  ["replaceable", (s) => s.replaceable([key]), ["embedding_queue_live"]],
  ["stillHeld", (s) => s.stillHeld([claim]), ["INTEGER PRIMARY KEY"]],
  ["deleteBoxes", (s) => s.deleteBoxes([1]), ["INTEGER PRIMARY KEY"]],
  ["newerLive", (s) => s.newerLive(key, 1), ["embedding_queue_live"]],
  ["livePage", (s) => s.livePage("[]", ["", ""], 10), ["embedding_queue_live"]],
  ["liveByEntityId", (s) => s.liveByEntityId("a"), ["embedding_queue_entity"]],
  ["newestByEntityId", (s) => s.newestByEntityId("a"), ["embedding_queue_entity"]],
  ["newestByKey", (s) => s.newestByKey("base", "a"), ["embedding_queue_entity"]],
  ["byJobId", (s) => s.byJobId("j"), ["sqlite_autoindex_embedding_queue_1"]],
  ["ahead", (s) => s.ahead(1000), ["embedding_queue_timed", "embedding_queue_lease"]],
  ["setBackWaiting", (s) => s.setBackWaiting(2000, 1000), ["embedding_queue_timed"]],
  ["setBackHeld", (s) => s.setBackHeld(2000, 1000), ["embedding_queue_lease"]],
  ["expired", (s) => s.expired(1000, 10), ["embedding_queue_lease"]],
  ["stuck", (s) => s.stuck(500, 1000), ["embedding_queue_lease"]],
  ["owners", (s) => s.owners(), ["embedding_queue_lease"]],
  ["cleanup", (s) => s.cleanup(1000), ["embedding_queue_completed"]],
  ["failed", (s) => s.failed(null), ["embedding_queue_failed"]],
  ["list", (s) => s.list("all", filter, stretch, 10), ["INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]],
  [
    "list of failed",
    (s) => s.list("failed", filter, stretch, 10),
    ["embedding_queue_failed (updated_at>? AND updated_at<?)"],
  ],
  [
    "list of completed",
    (s) => s.list("completed", filter, stretch, 10),
    ["embedding_queue_completed (completed_at>? AND completed_at<?)"],
  ],
  ["list in hand", (s) => s.listInHand(filter, stretch.after, 10), ["embedding_queue_lease"]],
  ["placeAhead", (s) => s.placeAhead("all", stretch.after, 10), ["INTEGER PRIMARY KEY (rowid<?)"]],
  [
    "placeAhead of failed",
    (s) => s.placeAhead("failed", stretch.after, 10),
    ["COVERING INDEX embedding_queue_failed (updated_at<?)"],
  ],
  [
    "placeAhead of completed",
    (s) => s.placeAhead("completed", stretch.after, 10),
    ["COVERING INDEX embedding_queue_completed (completed_at<?)"],
  ],
  ["revive", (s) => s.revive([1], filter, 1000), ["INTEGER PRIMARY KEY (rowid=?)"]],
  [
    "firstDue",
    (s) => s.firstDue(),
    ["embedding_queue_ready", "embedding_queue_delayed", "embedding_queue_suspect"],
  ],
  ["insertAttempt", (s) => s.insertAttempt(attempt), ["PRIMARY KEY (generation=?)"]],
  ["forgetAttempts", (s) => s.forgetAttempts(1, 2), ["PRIMARY KEY (generation=? AND attempt<?)"]],
  ["attempts", (s) => s.attempts("j"), ["PRIMARY KEY (generation=?)", "sqlite_autoindex_embedding_queue_1"]],
]

/** Sorts of at most a handful of rows: the live boxes of one key, the hosts that hold claims, what is in hand. */
const maySort = new Set(["liveOfKey", "newerLive", "owners", "list in hand"])

const planOf = (statement: Statement) =>
  Effect.gen(function* () {
    const { sql } = yield* Storage
    const [text, parameters] = statement.compile()
    const rows = yield* sql.unsafe<{ readonly detail: string }>(`EXPLAIN QUERY PLAN ${text}`, [...parameters])
    return rows.map((row) => row.detail)
  })

describe("query plans", () => {
  for (const [name, build, indexes] of hotPath) {
    it.effect(`${name} is served by ${indexes.join(", ")}`, () =>
      Effect.gen(function* () {
        const { statement } = yield* Storage
        const plan = yield* planOf(build(Statements.make(statement)))
        for (const index of indexes) expect(plan.join("\n")).toContain(index)
        // A walk over a whole table, or a sort of the backlog, is what made the seed slow.
        const walks = plan.filter(
          (step) => /^SCAN (embedding_|busy|ready|suspect|other)/.test(step) && !step.includes("INDEX"),
        )
        expect(walks).toEqual([])
        if (!maySort.has(name)) expect(plan.filter((step) => step.includes("TEMP B-TREE"))).toEqual([])
      }).pipe(Effect.provide(Sqlite.layer({ filename: ":memory:" }))),
    )
  }
})
