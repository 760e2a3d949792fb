/**
 * The real thing, worked by hand: a few processes over one database, each with all services and its own place among
 * the holders of claims, and in its hand the claims it has taken, also those that are long lost, because a late worker
 * is the one to fear. An operation is done here and in the model, and both answers come back to be compared.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Chunker from "../../src/Chunker.js"
import type { Entity } from "../../src/Domain/Entity.js"
import { EmbeddingError } from "../../src/Domain/Errors.js"
import { contentHash } from "../../src/Domain/Hash.js"
import type { Claim } from "../../src/Domain/Job.js"
import * as EmbeddingQueue from "../../src/EmbeddingQueue.js"
import * as Batch from "../../src/EmbeddingWorker/Batch.js"
import * as Breaker from "../../src/EmbeddingWorker/Breaker.js"
import * as EntityRepository from "../../src/EntityRepository.js"
import * as EntityService from "../../src/EntityService.js"
import { type Held, type Job, Model, nameOf, poison } from "./Model.js"
import { type Operation, workers } from "./Operations.js"
import * as World from "./World.js"
import type { Process, Services } from "./World.js"

/** What was answered, and what the model says should have been. */
export interface Answers {
  readonly actual: unknown
  readonly expected: unknown
}

export interface Machine {
  readonly model: Model
  readonly perform: (operation: Operation) => Effect.Effect<Answers>
  /** Runs in the world of a process, whichever is next. */
  readonly inside: <A, E>(effect: Effect.Effect<A, E, Services>) => Effect.Effect<A, E>
  readonly worker: (by: number) => Process
  /** Every receipt that was ever given, newest first. */
  readonly receipts: ReadonlyArray<string>
}

const mostInHand = 6

const heldBy = (claim: Claim<Entity>): Held => ({ jobId: claim.job.jobId, token: claim.token })

/** The value, or the tag of the error. */
const told = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.either(effect), Either.match({ onLeft: ({ _tag }) => _tag, onRight: (value) => value }))

/** `filename`: then every process opens the file for itself, again after each restart. */
export const make = (filename: string | undefined): Effect.Effect<Machine, never, Scope.Scope> =>
  Effect.gen(function* () {
    const model = new Model()
    model.now = 1_000_000
    yield* TestClock.setTime(model.now)
    const world = yield* World.make(filename)
    const dead = new Set<string>()
    const receipts: Array<string> = []
    const processes = yield* Effect.replicateEffect(world.start, workers)
    const worker = (by: number): Process => processes[by % processes.length] ?? lost("no process")

    /** The process of this number, or the next one that has enough in hand: an operation should do something. */
    const holder = ({ by, from = 0 }: { readonly by: number; readonly from?: number }): Process =>
      Array.from({ length: workers }, (_, step) => worker(by + step)).find(
        ({ hand }) => hand.length > from,
      ) ?? worker(by)

    // Who writes does not matter to what is written: the processes take turns.
    let turn = 0
    const inside = <A, E>(effect: Effect.Effect<A, E, Services>) =>
      Effect.suspend(() => Effect.provide(effect, worker(turn++).context))
    const asWorker = <A, E>({ context }: Process, effect: Effect.Effect<A, E, Services>) =>
      Effect.provide(effect, context)

    const given = (answer: unknown) => {
      if (typeof answer === "object" && answer !== null && "jobId" in answer)
        receipts.unshift(String(answer.jobId))
      return answer
    }

    const jobOf = ({ maxRetries, priority }: Extract<Operation, { readonly op: "create" }>) => ({
      maxRetries,
      priority,
    })

    const write = (operation: Extract<Operation, { readonly op: "create" | "upsert" | "update" }>) =>
      Effect.gen(function* () {
        const service = yield* EntityService.EntityService
        const { key, mark, op, text } = operation
        const newest = model.read(key)?.version
        const input = { id: key.id, entityType: key.type, content: text ?? "", metadata: { mark } }
        const patch = { content: text, metadata: mark === undefined ? undefined : { mark } }
        const actual =
          operation.op === "create"
            ? yield* told(service.createEntityAsync(input, jobOf(operation)))
            : op === "upsert"
              ? yield* told(service.upsertEntity(input))
              : yield* told(service.updateEntity(key.id, patch, key.type))
        if (op === "create" && newest !== undefined) return { actual, expected: "EntityAlreadyExists" }
        if (op === "update" && newest === undefined) return { actual, expected: "EntityNotFound" }
        const fields = {
          content: text ?? newest?.content ?? "",
          metadata: { mark: mark ?? newest?.metadata.mark ?? 0 },
        }
        const written = model.write(
          key,
          fields,
          typeof actual === "string" ? actual : actual.jobId,
          operation.op === "create" ? jobOf(operation) : { priority: 0, maxRetries: 3 },
        )
        const expected =
          op === "create"
            ? { jobId: written.jobId }
            : { ...written, contentHash: contentHash(fields.content, fields.metadata) }
        return { actual: given(actual), expected: { entityId: key.id, ...expected } }
      }).pipe(inside)

    const createAll = ({ how, writes }: Extract<Operation, { readonly op: "createAll" }>) =>
      Effect.gen(function* () {
        const service = yield* EntityService.EntityService
        const inputs = writes.map(({ key, mark, text }) => ({
          id: key.id,
          entityType: key.type,
          content: text,
          metadata: { mark },
        }))
        const actual =
          how === "bulk"
            ? yield* Effect.flatMap(service.createEntities(inputs), Effect.forEach(told))
            : yield* Effect.forEach(inputs, (input) => told(service.createEntity(input)), {
                concurrency: "unbounded",
              })
        const expected = writes.map(({ key, mark, text }, at) => {
          if (model.read(key) !== undefined) return "EntityAlreadyExists"
          const answer = actual[at]
          const jobId = typeof answer === "object" ? answer.jobId : "none"
          model.write(key, { content: text, metadata: { mark } }, jobId, { priority: 0, maxRetries: 3 })
          return { entityId: key.id, jobId }
        })
        return { actual: actual.map(given), expected }
      }).pipe(inside)

    /** What is believed to be in hand there, if anything is. */
    const withClaim = (
      operation: { readonly by: number; readonly from: number },
      use: (claim: Claim<Entity>, held: Job | undefined) => Effect.Effect<Answers, never, Services>,
    ) => {
      const process = holder(operation)
      const claim = process.hand[operation.from]
      if (claim === undefined) return Effect.succeed({ actual: "nothing", expected: "nothing" })
      return asWorker(
        process,
        Effect.suspend(() => use(claim, model.holds(heldBy(claim)))),
      )
    }

    const work = ({ by, fault, from, take }: Extract<Operation, { readonly op: "work" }>) =>
      Effect.gen(function* () {
        const claims = holder({ by, from }).hand.slice(from, from + take)
        if (claims.length === 0) return { actual: "nothing", expected: "nothing" }
        const left = new Map<string, string>()
        const batch = yield* Batch.make(
          yield* Breaker.make(Schedule.forever),
          {
            left: (ends) => Effect.sync(() => ends.forEach(({ claim, how }) => left.set(claim.token, how))),
            stuck: () => Effect.dieMessage("this database is never in trouble for long"),
          },
          { maxProcessingTime: "5 minutes" },
        )
        if (fault !== undefined) yield* world.hinder(fault)
        const remaining = Effect.sync(() => claims.filter((claim) => !left.has(claim.token)))
        yield* Effect.orDie(batch.process(claims, remaining))
        const expected = claims.map((claim) => {
          const job = model.holds(heldBy(claim))
          if (job === undefined) return "lost"
          if (fault !== undefined) model.release(job)
          else if (claim.content.content === poison) model.fail(job, "item", undefined)
          else model.store(job)
          return job.status === "failed" ? "failed" : job.outcome === "stored" ? "stored" : "released"
        })
        return { actual: claims.map((claim) => left.get(claim.token)), expected }
      })

    /** A worker that skips its token: what stands there is as new or newer, and must stay. */
    const storeLate = ({ by, from }: Extract<Operation, { readonly op: "storeLate" }>) =>
      Effect.gen(function* () {
        // Only over a row that is there: nothing but the token keeps a late worker from bringing back what is gone.
        const late = holder({ by, from })
          .hand.slice(from)
          .find(({ job: { entityId, entityType, generation } }) => {
            const row = model.rows.get(nameOf({ type: entityType, id: entityId }))
            return row !== undefined && row.generation >= generation
          })
        if (late === undefined) return { actual: "nothing", expected: "nothing" }
        const chunker = yield* Chunker.Chunker
        const stored = yield* (yield* EntityRepository.EntityRepository).store({
          entity: late.content,
          generation: late.job.generation,
          jobId: late.job.jobId,
          inputHash: chunker.inputHash(late.content),
          chunks: [],
        })
        return { actual: stored ? "stored" : "refused", expected: "refused" }
      }).pipe(Effect.orDie)

    const perform = (operation: Operation): Effect.Effect<Answers, never, Services> =>
      Effect.gen(function* () {
        const service = yield* EntityService.EntityService
        const own = yield* EmbeddingQueue.EmbeddingQueue
        switch (operation.op) {
          case "create":
          case "upsert":
          case "update":
            return yield* write(operation)
          case "createAll":
            return yield* createAll(operation)
          case "createSync": {
            const { key, mark, text } = operation
            const input = { id: key.id, entityType: key.type, content: text, metadata: { mark } }
            const actual = yield* told(service.createEntitySync(input))
            if (model.read(key) !== undefined) return { actual, expected: "EntityAlreadyExists" }
            if (text === poison) return { actual, expected: "EmbeddingError" }
            const jobId = typeof actual === "string" ? actual : actual.embedding.jobId
            model.writeStored(key, { content: text, metadata: { mark } }, jobId)
            receipts.unshift(jobId)
            return { actual: typeof actual === "string" ? actual : actual.embedding.state, expected: "ready" }
          }
          case "delete": {
            const { key } = operation
            const expected = model.read(key) === undefined ? "EntityNotFound" : undefined
            model.delete(key)
            return { actual: yield* told(service.deleteEntity(key.id, key.type)), expected }
          }
          case "cancel": {
            const jobId = receipts[operation.receipt]
            if (jobId === undefined) return { actual: "nothing", expected: "nothing" }
            model.cancel(jobId)
            const actual = yield* told(Effect.map(own.cancel(jobId), (job) => job.status))
            return { actual, expected: model.jobs.get(jobId)?.status ?? "JobNotFound" }
          }
          case "retryFailed": {
            const { outcome, type } = operation
            const expected = model.retryFailed(
              (job) =>
                (type === undefined || job.key.type === type) && job.outcome === (outcome ?? "exhausted"),
            )
            return { actual: yield* told(own.retryFailed({ entityType: type, outcome })), expected }
          }
          case "retryOne": {
            const jobId = receipts[operation.receipt]
            if (jobId === undefined) return { actual: "nothing", expected: "nothing" }
            const expected = model.retryFailed((job) => job.jobId === jobId)
            return { actual: yield* told(own.retryFailed({ jobId })), expected }
          }
          case "claim": {
            const process = worker(operation.by)
            const claims = yield* Effect.orDie(own.dequeueBatch(operation.n, operation))
            const expected = model.claim(operation.n, operation.suspects)
            const shown = expected.map(({ crashCount, jobId, version }) => [
              jobId,
              version.content,
              crashCount > 0,
            ])
            expected.forEach((job, at) => model.take(job, claims[at]?.token ?? "", process.owner))
            process.hand.unshift(...claims)
            process.hand.splice(mostInHand)
            return {
              actual: claims.map(({ content, job, suspect }) => [job.jobId, content.content, suspect]),
              expected: shown,
            }
          }
          case "renew": {
            const { hand } = holder(operation)
            const lost = yield* Effect.orDie(own.renew(hand))
            return { actual: lost.map(heldBy), expected: model.renew(hand.map(heldBy)) }
          }
          case "work":
            return yield* work(operation)
          case "fail": {
            const { fault, retryAfter } = operation
            const error = new EmbeddingError({
              fault,
              reason: "told to",
              ...(retryAfter === undefined ? {} : { retryAfterMillis: retryAfter }),
            })
            return yield* withClaim(operation, (claim, held) =>
              Effect.map(told(own.fail(claim, error)), (actual) => {
                if (held !== undefined) model.fail(held, fault, retryAfter)
                return {
                  actual: typeof actual === "string" ? actual : actual.status,
                  expected: held?.status ?? "ClaimLost",
                }
              }),
            )
          }
          case "release":
            return yield* withClaim(operation, (claim, held) =>
              Effect.map(told(own.release(claim)), (actual) => {
                if (held !== undefined) model.release(held)
                return {
                  actual: typeof actual === "string" ? actual : actual.status,
                  expected: held?.status ?? "ClaimLost",
                }
              }),
            )
          case "storeLate":
            return yield* storeLate(operation)
          case "clock":
            model.now = Math.max(0, model.now + operation.millis)
            yield* TestClock.setTime(model.now)
            return { actual: "nothing", expected: "nothing" }
          case "reclaim":
            return { actual: yield* told(own.reclaim), expected: model.reclaim(dead) }
          case "resetStuck":
            return {
              actual: yield* told(own.resetStuckJobs(operation.after)),
              expected: model.resetStuck(operation.after),
            }
          case "cleanup":
            return {
              actual: yield* told(own.cleanup(operation.olderThan)),
              expected: model.cleanup(operation.olderThan),
            }
          case "pause":
          case "resume":
            model.paused = operation.op === "pause"
            yield* Effect.orDie(model.paused ? own.pause : own.resume)
            return { actual: "nothing", expected: "nothing" }
          case "restart": {
            const gone = worker(operation.by)
            dead.add(gone.owner)
            yield* Scope.close(gone.scope, Exit.void)
            processes[operation.by] = yield* world.start
            return { actual: "nothing", expected: "nothing" }
          }
        }
      })

    return {
      model,
      worker,
      inside,
      receipts,
      perform: (operation) =>
        "by" in operation ? asWorker(worker(operation.by), perform(operation)) : inside(perform(operation)),
    }
  })

const lost = (what: string): never => {
  throw new Error(what)
}
