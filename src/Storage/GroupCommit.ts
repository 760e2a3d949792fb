/**
 * Many callers, one commit. A durable commit costs a flush of the disk, whatever it carries; so what callers want
 * written while a commit is under way is collected and written together by the next one, and a caller pays for its
 * own rows only. There is one writer fiber, as there is one write lock; it waits for nothing, so a lone caller is
 * written at once. A caller inside a transaction of its own takes no part: its write must stand or fall with that.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Storage } from "../Storage.js"

/** What one caller waits for. */
interface Waiting<Request, Result, E> {
  readonly request: Request
  readonly answer: Deferred.Deferred<Result, E>
  /** Its caller was interrupted before the writer came to it. */
  gone: boolean
  taken: boolean
}

/** The most requests that are written together: keeps one transaction short. */
const most = 128

/** Writes a request together with those of other callers. */
export type Writer<Request, Result, E> = (request: Request) => Effect.Effect<Result, E>

/**
 * `write` runs one transaction for all the requests it is given and answers for each, in order. Where it fails, each
 * request is written alone, so that one which cannot be written (it is too big for the disk, it meets a bug) takes no
 * neighbours along; but not where `isEverybodys` says that alone they would fare no better. An interrupted caller is taken out of the line; where it is being written already, its interruption
 * waits for the outcome. When the scope closes, what still waits is written first.
 */
export const make = <Request, Result, E>(
  storage: Pick<typeof Storage.Service, "isInside">,
  write: (requests: Arr.NonEmptyReadonlyArray<Request>) => Effect.Effect<ReadonlyArray<Result>, E>,
  isEverybodys: (error: E) => boolean,
): Effect.Effect<Writer<Request, Result, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const line = yield* Queue.unbounded<Waiting<Request, Result, E>>()

    const settle = (
      group: ReadonlyArray<Waiting<Request, Result, E>>,
      exit: Exit.Exit<ReadonlyArray<Result>, E>,
    ) =>
      Effect.forEach(
        group,
        ({ answer }, at) =>
          Deferred.done(
            answer,
            Exit.flatMap(exit, (results) => {
              const result = results[at]
              return result === undefined
                ? Exit.die(new Error("a group commit left a request without an answer"))
                : Exit.succeed(result)
            }),
          ),
        { discard: true },
      )

    const fallsApart = (exit: Exit.Exit<ReadonlyArray<Result>, E>) =>
      Exit.isFailure(exit) && !Option.exists(Cause.failureOption(exit.cause), isEverybodys)

    const writeRequests = (group: ReadonlyArray<Waiting<Request, Result, E>>): Effect.Effect<void> => {
      const requests = group.map(({ request }) => request)
      if (!Arr.isNonEmptyReadonlyArray(requests)) return Effect.void
      return Effect.flatMap(Effect.exit(write(requests)), (exit) =>
        group.length > 1 && fallsApart(exit)
          ? Effect.forEach(group, (one) => writeRequests([one]), { discard: true })
          : settle(group, exit),
      )
    }

    const writeGroup = (waiting: Iterable<Waiting<Request, Result, E>>) =>
      Effect.suspend(() => {
        const group = Arr.filter(Arr.fromIterable(waiting), ({ gone }) => !gone)
        for (const one of group) one.taken = true
        return writeRequests(group)
      })

    // Added first, so that it runs when the writer has ended.
    yield* Effect.addFinalizer(() => Effect.flatMap(Queue.takeAll(line), writeGroup))
    yield* Queue.takeBetween(line, 1, most).pipe(
      // What was taken is written: an interruption in between would leave its callers without an answer.
      Effect.flatMap((group) => Effect.uninterruptible(writeGroup(group))),
      Effect.forever,
      Effect.forkScoped,
    )

    const join = (request: Request) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const one = { request, answer: yield* Deferred.make<Result, E>(), gone: false, taken: false }
          yield* Queue.offer(line, one)
          return yield* Effect.onInterrupt(restore(Deferred.await(one.answer)), () =>
            Effect.suspend(() => {
              one.gone = true
              return one.taken ? Effect.exit(Deferred.await(one.answer)) : Effect.void
            }),
          )
        }),
      )

    const alone = (request: Request) =>
      Effect.flatMap(write([request]), ([result]) =>
        result === undefined
          ? Effect.failCause(Cause.die(new Error("a write left its request without an answer")))
          : Effect.succeed(result),
      )

    return (request) =>
      Effect.flatMap(storage.isInside, (isInside) => (isInside ? alone(request) : join(request)))
  })
