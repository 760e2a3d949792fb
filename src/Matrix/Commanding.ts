/**
 * Obeys. Commands of one sender are done one after the other, in the order in which they came; those of different senders
 * side by side, so that a slow search holds up nobody else. A command ends in one transaction that holds its effects,
 * its answer and its end; until then it waits in the inbox, whatever happens to the process.
 */
import * as RateLimiter from "@effect/experimental/RateLimiter"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { StorageError } from "../Domain/Errors.js"
import { Storage } from "../Storage.js"
import type { Account } from "./Account.js"
import { asked, type Self } from "./Addressing.js"
import type { AnswerRows } from "./AnswerRows.js"
import { type Name, table } from "./Command.js"
import type { Cursors } from "./Cursors.js"
import type { NotHolder } from "./Errors.js"
import { messageOf, placeOf } from "./Events.js"
import { type Commit, type Failure, type Handler, Refused, type Reply } from "./Handler.js"
import type { Inbox, Waiting } from "./Inbox.js"
import { bulleted, code, contentOf, inThread, joined, lines, say, type Text } from "./Message.js"
import type { OutboxRows } from "./OutboxRows.js"
import { covers, type Role, type Roles, roleOf } from "./Roles.js"
import type { Rooms } from "./Rooms.js"
import { isDirect } from "./Rooms.js"
import * as Wording from "./Wording.js"

export interface Options {
  /** Commands a minute of one sender; more have to wait. As many may come at once. */
  readonly perMinute: number
  /** Senders whose commands are done at the same time. */
  readonly concurrency: number
}

/** How long the slow part of a command may take. */
const patience = Duration.seconds(150)

/** How often a command is begun whose process died meanwhile: perhaps because of it. */
const mostAttempts = 3

/** How often it looks, though nobody has said that something came in. */
const backstop = "30 seconds"

/** The database will be well again: a command waits for that. Anything else is told. */
const passes = ({ trouble }: StorageError) => ["Busy", "Full", "ReadOnly"].includes(trouble)

const isSelf = (failure: Failure): failure is NotHolder | StorageError =>
  failure._tag === "NotHolder" || (failure._tag === "StorageError" && passes(failure))

const replyOf = (text: Text, effect: string): Reply => ({ effect, text })

const failed = (failure: { readonly _tag: string; readonly message: string }): Reply =>
  replyOf(Wording.failure(failure), `failed: ${failure._tag}`)

const died = replyOf(
  say`Something went wrong that should not: this is a fault of Embedbox. Nothing was done; the log says more.`,
  "died",
)

const deadly = replyOf(say`I gave this command up: I was ended each time that I tried it.`, "given up")

/** All that a role may do. */
const help = (role: Role): Text =>
  lines(
    say`I save notes and find them again, by meaning and by words. Ask me by mentioning me, or:`,
    bulleted(
      Object.values(table)
        .filter(({ needs }) => covers(role, needs))
        .map(({ meaning, usage }) => joined([code(usage), say`${meaning}`], " – ", " – ")),
    ),
  )

export type Handlers = { readonly [name in Exclude<Name, "help">]: Handler }

export const make = ({
  account,
  answers,
  cursors,
  handlers,
  inbox,
  news,
  onAnswer,
  options,
  outbox,
  roles,
  rooms,
  self,
}: {
  readonly account: Account
  readonly inbox: Inbox
  readonly outbox: OutboxRows
  readonly answers: AnswerRows
  readonly cursors: Cursors
  readonly rooms: Rooms
  readonly roles: Roles
  readonly handlers: Handlers
  readonly self: Effect.Effect<Self>
  /** Opened when commands have come in. */
  readonly news: Effect.Latch
  /** Run when an answer is to be sent. */
  readonly onAnswer: Effect.Effect<void>
  readonly options: Options
}) =>
  Effect.gen(function* () {
    const storage = yield* Storage
    const sleep = yield* RateLimiter.makeSleep
    const hands = yield* Effect.makeSemaphore(options.concurrency)
    /** Commands that this process has begun and not ended: trouble with the database makes them begin again. */
    const begun = new Set<number>()

    /** The slow part; answers what is to be written. */
    const prepare = (waiting: Waiting): Effect.Effect<Commit, Failure> =>
      Effect.gen(function* () {
        const { event, roomId, sender } = waiting
        const room = yield* storage.read(rooms.get(roomId))
        const command = asked(event.content, { self: yield* self, isDirect: isDirect(room) })
        const role = roleOf(roles, sender, roomId)
        if (command === undefined || role === undefined) {
          return yield* new Refused({ reason: "I do not take this any more." })
        }
        if (command.name === "unknown") {
          return Effect.succeed(
            replyOf(say`I do not know ${code(command.rest)}. ${code("!help")} lists what I do.`, "unknown"),
          )
        }
        const { needs, word } = table[command.name]
        if (!covers(role, needs)) {
          return Effect.succeed(
            replyOf(
              say`You may not use ${code(word)} here: it takes ${needs === "owner" ? "an owner" : "somebody trusted"}.`,
              "forbidden",
            ),
          )
        }
        // Of what is not taken nothing is done: it may have been meant to change what is.
        if (command.name !== "help" && table[command.name].usage === word && command.rest !== "") {
          return yield* new Refused({
            reason: `${word} takes nothing behind it, so I did nothing: send it alone.`,
          })
        }
        if (command.name === "help") return Effect.succeed(replyOf(help(role), "helped"))
        return yield* handlers[command.name]({
          command,
          event,
          message: messageOf(event.content),
          roomId,
          role,
        })
      })

    /** Effects, answer and end of a command, together. */
    const finish = <E>(waiting: Waiting, commit: Effect.Effect<Reply, E>) =>
      account.write(
        Effect.gen(function* () {
          const reply = yield* commit
          const answer = yield* outbox.message(
            waiting.roomId,
            inThread(contentOf(reply.text), placeOf(waiting.event)),
          )
          if (reply.follow !== undefined) {
            yield* answers.put(answer, reply.follow.facts, reply.follow.jobs, reply.follow.entering)
          }
          if ("cursor" in reply) yield* cursors.set(waiting.roomId, waiting.sender, reply.cursor)
          yield* inbox.end(waiting.seq, reply.effect, answer)
          yield* storage.afterCommit(onAnswer)
        }),
      )

    /** What is told of a failure that is not ours to wait for. */
    const told = (cause: Cause.Cause<Failure>): Effect.Effect<Reply, NotHolder | StorageError> => {
      const failure = Option.getOrUndefined(Cause.failureOption(cause))
      if (failure === undefined) {
        return Cause.isInterruptedOnly(cause)
          ? Effect.interrupt
          : Effect.as(Effect.logError("matrix: a command died", cause), died)
      }
      return isSelf(failure) ? Effect.fail(failure) : Effect.succeed(failed(failure))
    }

    const obey = (waiting: Waiting): Effect.Effect<void, NotHolder | StorageError> =>
      Effect.gen(function* () {
        const isDeadly = !begun.has(waiting.seq) && waiting.attempts >= mostAttempts
        if (!begun.has(waiting.seq)) yield* account.write(inbox.begin(waiting.seq))
        begun.add(waiting.seq)
        if (isDeadly) return yield* finish(waiting, Effect.succeed(deadly))
        const commit = yield* hands.withPermits(1)(
          prepare(waiting).pipe(
            Effect.timeoutFail({
              duration: patience,
              onTimeout: () =>
                new Refused({ reason: "This took too long, and I gave it up. Please try again." }),
            }),
            Effect.catchAllCause((cause) =>
              Effect.map(told(cause), (reply): Commit => Effect.succeed(reply)),
            ),
          ),
        )
        yield* finish(waiting, commit).pipe(
          Effect.catchAllCause((cause) =>
            Effect.flatMap(told(cause), (reply) => finish(waiting, Effect.succeed(reply))),
          ),
        )
        begun.delete(waiting.seq)
      }).pipe(
        Effect.annotateLogs({ event: waiting.event.event_id, sender: waiting.sender }),
        Effect.withSpan("Matrix.command"),
      )

    const patiently = <A>(effect: Effect.Effect<A, NotHolder | StorageError>) =>
      Effect.retry(effect, {
        schedule: Schedule.either(Schedule.exponential("1 second"), Schedule.spaced("30 seconds")),
        while: (error) => error._tag === "StorageError",
      })

    /** Every command of a sender that waits. */
    const drain = (sender: string): Effect.Effect<void, NotHolder | StorageError> =>
      Effect.gen(function* () {
        const next = yield* inbox.next(sender)
        if (Option.isNone(next)) return false
        yield* Effect.ignore(
          sleep({
            key: `sender ${sender}`,
            algorithm: "token-bucket",
            limit: options.perMinute,
            window: "1 minute",
          }),
        )
        yield* obey(next.value)
        return true
      }).pipe(patiently, Effect.repeat({ while: (went) => went }), Effect.asVoid)

    const run = Effect.gen(function* () {
      const busy = new Set<string>()
      const fibers = yield* FiberSet.make<void, NotHolder | StorageError>()
      const look = Effect.gen(function* () {
        yield* news.close
        const free = (yield* inbox.senders).filter((sender) => !busy.has(sender))
        yield* Effect.forEach(
          free,
          (sender) => {
            busy.add(sender)
            return FiberSet.run(
              fibers,
              Effect.ensuring(
                drain(sender),
                // What came in since its last look is seen by the next one.
                Effect.suspend(() => {
                  busy.delete(sender)
                  return news.open
                }),
              ),
            )
          },
          { discard: true },
        )
        yield* Effect.race(news.await, Effect.sleep(backstop))
      })
      return yield* Effect.raceFirst(
        Effect.forever(patiently(look)),
        // Never ends but by a failure of one of them.
        FiberSet.join(fibers),
      )
    }).pipe(Effect.scoped)

    return { run }
  })
