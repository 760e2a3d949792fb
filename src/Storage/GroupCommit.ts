/**
 * Many callers, one commit. A durable commit costs a flush of the disk, whatever it carries; so what callers want
 * written while a commit is under way is collected and written together by the next one, and a caller pays for its
 * own rows only. There is one writer fiber, as there is one write lock; it waits for nothing, so a lone caller is
 * written at once. A caller inside a transaction of its own takes no part: its write must stand or fall with that.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Iterable from "effect/Iterable"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Storage } from "../Storage.js"

/** A caller that waits. */
interface Waiting<Request, Result, E> {
  readonly request: Request
  /** Tells the outcome to the caller, or to its interruption. */
  answer: (exit: Exit.Exit<Result, E>) => void
  isAnswered: boolean
}

/**
 * The most requests that are written together: the event loop stands still for as long as that takes. As measured by
 * `bench:queue`, 64 callers are written a tenth faster than by 32; by 64 they are a little faster still, but then the
 * loop comes up to 20 ms late.
 */
const most = 48

/** Writes a request together with those of other callers. */
export type Writer<Request, Result, E> = (request: Request) => Effect.Effect<Result, E>

/**
 * `write` runs one transaction for all the requests it is given and answers for each, in order. Where it fails, each
 * request is written alone, so that one which cannot be written (it is too big for the disk, it meets a bug) takes no
 * neighbours along; but not where `isEverybodys` says that alone they would fare no better. An interrupted caller is
 * taken out of the line; where it is being written already, its interruption waits for the outcome. When the scope
 * closes, what still waits is written first; after that each request is written by itself.
 */
export const make = <Request, Result, E>(
  storage: Pick<typeof Storage.Service, "isInside">,
  write: (requests: Arr.NonEmptyReadonlyArray<Request>) => Effect.Effect<ReadonlyArray<Result>, E>,
  isEverybodys: (error: E) => boolean,
): Effect.Effect<Writer<Request, Result, E>, never, Scope.Scope> =>
  Effect.gen(function* () {
    // In the order of asking. Who is not in it any more is being written: leaving it and being taken exclude each other.
    const line = new Set<Waiting<Request, Result, E>>()
    const bell = yield* Effect.makeLatch()
    let closed = false

    const answerAt = (results: ReadonlyArray<Result>, at: number): Exit.Exit<Result> => {
      const result = results[at]
      return result === undefined
        ? Exit.die(new Error("a request was written without an answer"))
        : Exit.succeed(result)
    }

    const fallsApart = (exit: Exit.Exit<ReadonlyArray<Result>, E>) =>
      Exit.isFailure(exit) && !Option.exists(Cause.failureOption(exit.cause), isEverybodys)

    const writeGroup = (group: ReadonlyArray<Waiting<Request, Result, E>>): Effect.Effect<void> => {
      const requests = group.map(({ request }) => request)
      if (!Arr.isNonEmptyReadonlyArray(requests)) return Effect.void
      return Effect.flatMap(Effect.exit(write(requests)), (exit) => {
        if (group.length > 1 && fallsApart(exit)) {
          return Effect.forEach(group, (one) => writeGroup([one]), { discard: true })
        }
        for (const [at, one] of group.entries()) {
          one.isAnswered = true
          one.answer(Exit.flatMap(exit, (results) => answerAt(results, at)))
        }
        return Effect.void
      })
    }

    /** Writes those that have waited longest. One step, so that nobody joins between the look and the closing. */
    const next = Effect.suspend(() => {
      const group = Array.from(Iterable.take(line, most))
      for (const one of group) line.delete(one)
      if (line.size === 0) bell.unsafeClose()
      return writeGroup(group)
    })

    // Added first, so that it runs when the writer has ended.
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        closed = true
        return Effect.whileLoop({ while: () => line.size > 0, body: () => next, step: () => {} })
      }),
    )
    // Only the waiting can be interrupted: who was taken out of the line has nobody else to answer it.
    yield* Effect.uninterruptibleMask((restore) =>
      Effect.forever(Effect.zipRight(restore(bell.await), next)),
    ).pipe(Effect.forkScoped)

    const join = (request: Request) =>
      Effect.async<Result, E>((resume) => {
        const one: Waiting<Request, Result, E> = { request, answer: resume, isAnswered: false }
        line.add(one)
        bell.unsafeOpen()
        return Effect.async<void>((end) => {
          if (line.delete(one) || one.isAnswered) end(Effect.void)
          else one.answer = () => end(Effect.void)
        })
      })

    const alone = (request: Request) => Effect.flatMap(write([request]), (results) => answerAt(results, 0))

    return (request) =>
      Effect.flatMap(storage.isInside, (isInside) => (isInside || closed ? alone(request) : join(request)))
  })
