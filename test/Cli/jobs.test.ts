import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Output from "../../src/Cli/Output.js"
import { Entity, EntityId, EntityType } from "../../src/Domain/Entity.js"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import { Fingerprint } from "../../src/Domain/Fingerprint.js"
import { contentHash } from "../../src/Domain/Hash.js"
import { EmbeddingQueue } from "../../src/EmbeddingQueue.js"
import * as Queue from "../../src/EmbeddingQueue.js"
import * as EntityRepository from "../../src/EntityRepository.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { temporaryFolder } from "../support.js"
import { type Ended, start } from "../support/Processes.js"
import { runHere } from "./inProcess.js"

const shell = Effect.map(temporaryFolder, (folder) => {
  const database = join(folder, "notes.sqlite")
  const env = { EMBEDBOX_DATABASE: database }
  return {
    database,
    env,
    embedbox: (...args: ReadonlyArray<string>) => runHere(database, args),
  }
})

const document = <A, I>(schema: Schema.Schema<A, I>, { code, stderr, stdout }: Ended) => {
  assert.strictEqual(code, 0, stderr)
  assert.match(stdout, /^\{[^\n]*\}\n$/)
  return Schema.decode(Schema.parseJson(schema), { onExcessProperty: "error" })(stdout)
}

/** Does something to the queue from this process, as a daemon would. */
const asDaemon = <A, E>(database: string, what: Effect.Effect<A, E, EmbeddingQueue>) =>
  Effect.provide(what, Layer.provide(Queue.layer, Sqlite.layer({ filename: database })))

const note = (id: string, entityType = "base") =>
  Entity.make({
    entityType: EntityType.make(entityType),
    id: EntityId.make(id),
    content: "text",
    metadata: {},
    contentHash: contentHash("text", {}),
    created: 0,
    updated: 0,
  })

const entered = (...notes: ReadonlyArray<Entity>) =>
  Effect.flatMap(EmbeddingQueue, (queue) =>
    Effect.forEach(notes, (content) => queue.enqueue(content, { maxRetries: 0 })),
  )

/** Fails the job that is next in line, for good. */
const failNext = (reason: string) =>
  Effect.flatMap(EmbeddingQueue, (queue) =>
    Effect.gen(function* () {
      const claim = yield* Effect.flatMap(queue.dequeue, Effect.orDie)
      return yield* queue.fail(claim, new EmbeddingError({ fault: "item", reason }))
    }),
  )

// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000b-\u001f\u007f\u009b]/

const uuid = "[0-9a-f-]{36}"

describe("embedbox jobs, job, retry and cancel", () => {
  it.scopedLive("show what failed and why, and put it in line again", () =>
    Effect.gen(function* () {
      const { database, embedbox } = yield* shell
      const none = yield* embedbox("jobs")
      assert.deepStrictEqual([none.code, none.stdout], [0, "No jobs.\n"])
      const [odd, , waits] = yield* asDaemon(
        database,
        Effect.gen(function* () {
          const jobs = yield* entered(note("odd"), note("a\u2028b", "task"), note("waits"))
          yield* failNext(`rejected\n\u001b[31m${"<html>".repeat(500)}`)
          yield* failNext("HTTP 400")
          return jobs
        }),
      )

      const listed = yield* embedbox("jobs")
      assert.strictEqual(listed.code, 0, listed.stderr)
      const pattern = [
        "job +status +failures +when +entity",
        `${uuid} +pending +due +base waits`,
        `${uuid} +failed +1 +\\S+ \\S+ ago +task a b`,
        "    item: HTTP 400",
        `${uuid} +failed +1 +\\S+ \\S+ ago +base odd`,
        "    item: rejected \\S*<html>\\S*…",
      ]
      assert.match(listed.stdout, new RegExp(`^${pattern.join("\n")}\n$`))
      assert.notMatch(listed.stdout, controls)
      for (const line of listed.stdout.split("\n")) assert.isAtMost(line.length, 100)

      const failed = yield* document(Output.Jobs, yield* embedbox("jobs", "--failed", "--json"))
      assert.deepStrictEqual(
        failed.jobs.map(({ entityId, failedAttempts, fault, outcome }) => [
          entityId,
          outcome,
          fault,
          failedAttempts,
        ]),
        [
          ["a\u2028b", "exhausted", "item", 1],
          ["odd", "exhausted", "item", 1],
        ],
      )
      const newest = yield* document(Output.Jobs, yield* embedbox("jobs", "--limit", "1", "--json"))
      assert.deepStrictEqual([newest.jobs.map((job) => job.entityId), newest.more], [["waits"], true])
      assert.include(
        (yield* embedbox("jobs", "--limit", "2")).stdout,
        "These are the newest 2; --limit shows",
      )
      const tasks = yield* embedbox("jobs", "--type", "task", "--status", "failed", "--fault", "item")
      assert.match(tasks.stdout, new RegExp(`\\n${uuid} +failed .*task a b\\n    item: HTTP 400\\n$`))
      assert.strictEqual((yield* embedbox("jobs", "--fault", "provider")).stdout, "No such jobs.\n")

      const job = yield* document(Output.Job, yield* embedbox("job", odd?.jobId ?? "", "--json"))
      assert.deepStrictEqual(
        job.attempts.map(({ attempt, crashed, fault }) => ({ attempt, crashed, fault })),
        [{ attempt: 1, crashed: false, fault: "item" }],
      )
      assert.strictEqual(job.attempts[0]?.error, job.error)
      assert.isAtLeast(job.attempts[0]?.endedAt ?? 0, job.attempts[0]?.startedAt ?? Number.MAX_VALUE)
      const told = yield* embedbox("job", odd?.jobId ?? "")
      assert.match(
        told.stdout,
        /^failed \(exhausted\) {2}base odd\nerror {2}rejected .*\nattempt 1 went wrong .* ago, after .* s {2}item: rejected/,
      )
      assert.notMatch(told.stdout, controls)

      const unchosen = yield* embedbox("retry")
      assert.strictEqual(unchosen.code, 2)
      assert.match(unchosen.stderr, /^embedbox: retry wants to know which jobs: name one, or say --all, /)
      const unknown = yield* embedbox("retry", "nobody")
      assert.deepStrictEqual([unknown.code, unknown.stdout], [3, ""])
      assert.match(unknown.stderr, /^embedbox: there is no job "nobody"\n/)
      const pending = yield* embedbox("retry", waits?.jobId ?? "")
      assert.deepStrictEqual([pending.code, pending.stdout], [0, "nothing to retry: the job is pending\n"])
      const chosen = yield* embedbox("retry", "--error", "http 400")
      assert.strictEqual(chosen.stdout, "retrying 1 job in line again, with fresh attempts\n")
      const retried = yield* document(Output.Retried, yield* embedbox("retry", "--all", "--json"))
      assert.deepStrictEqual(retried, { retried: 1 })
      assert.strictEqual((yield* embedbox("retry", "--all")).stdout, "nothing to retry\n")
      assert.strictEqual((yield* embedbox("jobs", "--failed")).stdout, "No failed jobs.\n")
      const status = yield* document(Output.Status, yield* embedbox("status", "--json"))
      assert.deepStrictEqual(status.queue, { pending: 3, processing: 0, failed: 0, completed: 0 })
    }),
  )

  it.scopedLive("cancel a job, say what became of it, and leave it alone until it is named", () =>
    Effect.gen(function* () {
      const { database, embedbox } = yield* shell
      const jobs = yield* asDaemon(database, entered(note("a"), note("b"), note("c")))
      const [a = "", b = "", c = ""] = jobs.map((job) => job.jobId)
      const cancelled = yield* embedbox("cancel", a)
      assert.strictEqual(cancelled.code, 0, cancelled.stderr)
      assert.match(cancelled.stdout, /^cancelled base a the note is kept/)
      const again = yield* document(Output.Cancelled, yield* embedbox("cancel", a, "--json"))
      assert.deepStrictEqual([again.cancelled, again.status, again.outcome], [false, "failed", "cancelled"])
      assert.strictEqual(
        (yield* embedbox("cancel", a)).stdout,
        "nothing to cancel: the job is failed (cancelled) base a\n",
      )
      const other = yield* document(Output.Cancelled, yield* embedbox("cancel", b, "--json"))
      assert.deepStrictEqual([other.cancelled, other.entityId], [true, "b"])
      assert.strictEqual((yield* embedbox("cancel", "nobody")).code, 3)
      assert.match(
        (yield* embedbox("jobs", "--failed")).stdout,
        /cancelled .* base b\n.*cancelled .* base a\n$/,
      )

      yield* asDaemon(database, failNext("bad"))
      const retries = [
        { args: ["--all"], retried: 1 },
        { args: [a], retried: 1 },
        { args: ["--cancelled"], retried: 1 },
      ]
      for (const { args, retried } of retries) {
        const answer = yield* document(Output.Retried, yield* embedbox("retry", ...args, "--json"))
        assert.strictEqual(answer.retried, retried, args.join(" "))
      }
      yield* asDaemon(database, failNext("still bad"))
      yield* embedbox("cancel", a)
      const both = yield* document(Output.Retried, yield* embedbox("retry", "--all", "--cancelled", "--json"))
      assert.strictEqual(both.retried, 2)
      const ended = yield* embedbox("job", c, "--wait")
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.match(
        ended.stdout,
        /^completed \(stored\) {2}base c\nattempt 1 .* item: bad\nattempt 2 .* item: still bad\n$/,
      )
      assert.match(
        (yield* embedbox("cancel", c)).stdout,
        /^nothing to cancel: the job is completed \(stored\)/,
      )
    }),
  )

  it.scopedLive("are called as they are meant to be", () =>
    Effect.gen(function* () {
      const { embedbox } = yield* shell
      const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, says: RegExp]> = [
        [["jobs", "--failed", "--status", "pending"], /--failed and --status pending exclude each other/],
        [["jobs", "--limit", "0"], /--limit takes 1 to 1000/],
        [["jobs", "--status", "lost"], /pending/],
        [["retry", "an-id", "--all"], /a job that is named needs no --all/],
        [["retry", "--all", "an-id", "--json"], /a job that is named needs no --all/],
        [["retry", "--cancelled", "an-id", "--json"], /a job that is named needs no --all/],
        [["retry", "--fault", "mine"], /item/],
        [["cancel"], /Missing argument <id>|Missing argument <jobId>/],
      ]
      yield* Effect.forEach(
        cases,
        ([args, says]) =>
          Effect.gen(function* () {
            const ended = yield* embedbox(...args)
            assert.strictEqual(ended.code, 2, `${args.join(" ")}: ${ended.stderr}`)
            assert.strictEqual(ended.stdout, "")
            assert.match(ended.stderr, says)
          }),
        { concurrency: 2, discard: true },
      )
    }),
  )
})

// One of these starts a daemon, on machines that do other things too.
describe("embedbox status, pause and resume", { timeout: 180_000 }, () => {
  it.scopedLive("say how far a change of model is that was begun", () =>
    Effect.gen(function* () {
      const { database, embedbox } = yield* shell
      assert.notInclude((yield* embedbox("status")).stdout, "reembedding")
      yield* Effect.flatMap(EntityRepository.EntityRepository, ({ beginNext }) =>
        beginNext(Fingerprint.make("other|model")),
      ).pipe(Effect.provide(Layer.provide(EntityRepository.layer, Sqlite.layer({ filename: database }))))
      assert.match((yield* embedbox("status")).stdout, /^reembedding +0 of 0 for other \(/m)
      const { reembedding } = yield* document(Output.Status, yield* embedbox("status", "--json"))
      assert.deepStrictEqual(reembedding, { to: "other|model", embedded: 0, stored: 0 })
    }),
  )

  it.scopedLive("say who works, across processes, and who no longer does", () =>
    Effect.gen(function* () {
      const { database, embedbox, env } = yield* shell
      assert.match((yield* embedbox("status")).stdout, /^workers {5}none$/m)
      const paused = yield* embedbox("pause")
      assert.match(paused.stdout, /^paused no job is taken until `embedbox resume`/)
      yield* asDaemon(database, entered(note("bread")))
      const alone = yield* embedbox("status")
      assert.match(alone.stdout, /^workers {5}none: start the daemon, or use --wait$/m)
      assert.match(alone.stdout, /^The queue is paused: `embedbox resume`/m)

      const daemon = yield* start("main.ts", [], { env })
      yield* daemon.says("embedbox is ready")
      const statusWhere = (holds: (status: typeof Output.Status.Type) => boolean) =>
        Effect.flatMap(embedbox("status", "--json"), (ended) => document(Output.Status, ended)).pipe(
          Effect.filterOrFail(holds),
          Effect.retry(Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(1500))),
        )
      const working = yield* statusWhere(({ workers }) => workers.length === 1)
      assert.deepStrictEqual(
        working.workers.map(({ alive, pid, provider }) => ({ alive, pid, provider })),
        [{ alive: true, pid: daemon.pid, provider: { state: "closed" } }],
      )
      assert.deepStrictEqual([working.paused, working.queue.pending], [true, 1])
      assert.match((yield* embedbox("status")).stdout, /^workers {5}1, 0 in hand$/m)

      const resumed = yield* document(Output.Paused, yield* embedbox("resume", "--json"))
      assert.deepStrictEqual(resumed, { paused: false })
      const done = yield* statusWhere(({ queue }) => queue.completed === 1)
      assert.strictEqual(done.stored, 1)
      yield* daemon.signal("SIGTERM")
      assert.strictEqual((yield* daemon.ended).code, 0)
      assert.match((yield* embedbox("status")).stdout, /^workers {5}none$/m)
    }),
  )

  it.scopedLive("say that the provider is down, why, and when it is asked again", () =>
    Effect.gen(function* () {
      const { database, embedbox } = yield* shell
      yield* asDaemon(
        database,
        Effect.gen(function* () {
          const queue = yield* EmbeddingQueue
          yield* entered(note("a"), note("b"))
          yield* failNext("bad")
          const [worker] = yield* Effect.zipRight(
            queue.report({
              inHand: 16,
              stored: 0,
              failed: 1,
              provider: { state: "open", failures: 3, until: 0, reason: "connection\nrefused" },
            }),
            queue.workers,
          )
          const until = (worker?.beatAt ?? 0) + 3_600_000
          const provider = { state: "open", failures: 3, until, reason: "connection\nrefused" } as const
          const asked = yield* embedbox("status")
          assert.match(asked.stdout, /^provider {4}down: connection refused; trying again$/m)
          yield* queue.report({ inHand: 16, stored: 0, failed: 1, provider })
          const { stdout } = yield* embedbox("status")
          assert.match(stdout, /^failed {6}1 \(embedbox jobs --failed\)$/m)
          // What it reported has ended since: nothing is in work.
          assert.match(stdout, /^workers {5}1, 0 in hand$/m)
          assert.match(stdout, /^provider {4}down: connection refused; next try in (60|59) min$/m)
          assert.isAtMost(stdout.trimEnd().split("\n").length, 8)
          const status = yield* document(Output.Status, yield* embedbox("status", "--json"))
          assert.deepStrictEqual(status.workers[0]?.provider, provider)
        }),
      )
    }),
  )
})
