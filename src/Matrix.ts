/**
 * The Matrix interface: notes and questions from a chat room. The plain client-server API over Effect's HTTP client is
 * all that it needs. One loop hears (`SyncLoop`, `Intake`), one obeys (`Commanding`), one sends (`Outbox`), one follows
 * what was begun (`Following`) and one imports (`Importing`); they share nothing but tables, each of which is written in
 * the transaction that makes it true. So the bot may be killed between any two steps and goes on where it was: nothing
 * that was heard is lost, and nothing is done or said twice. While embedding is slow, or impossible, it answers at once
 * all the same: an answer needs the database only, and is changed when the embedding is there.
 *
 * @example
 * import { Matrix, Shell } from "embedbox"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * const bot = Matrix.layer({
 *   ...Matrix.defaults,
 *   homeserver: "https://matrix.example.org",
 *   userId: "@notes:example.org",
 *   credentials: { _tag: "Password", password: Redacted.make("its password") },
 *   roles: { owners: ["@anna:example.org"], trusted: [], public: [] },
 *   importDir: undefined,
 * })
 *
 * export const MyShell = Layer.provideMerge(bot, Shell.layer)
 */
import * as RateLimiter from "@effect/experimental/RateLimiter"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { InterfaceState } from "./Domain/InterfaceNotice.js"
import type { EmbeddingQueue } from "./EmbeddingQueue.js"
import type { EntityRepository } from "./EntityRepository.js"
import type { DirectorySync } from "./DirectorySync.js"
import type { EntityService } from "./EntityService.js"
import type { InterfaceBoard } from "./InterfaceBoard.js"
import * as Standing from "./InterfaceBoard/Standing.js"
import * as Account from "./Matrix/Account.js"
import * as AnswerRows from "./Matrix/AnswerRows.js"
import * as Client from "./Matrix/Client.js"
import * as Commanding from "./Matrix/Commanding.js"
import * as Operating from "./Matrix/Commands/Operating.js"
import * as Reading from "./Matrix/Commands/Reading.js"
import * as Saving from "./Matrix/Commands/Saving.js"
import * as Cursors from "./Matrix/Cursors.js"
import * as Following from "./Matrix/Following.js"
import * as Importing from "./Matrix/Importing.js"
import * as Inbox from "./Matrix/Inbox.js"
import * as Intake from "./Matrix/Intake.js"
import * as Outbox from "./Matrix/Outbox.js"
import * as OutboxRows from "./Matrix/OutboxRows.js"
import * as Persisting from "./Matrix/Persisting.js"
import type { Roles } from "./Matrix/Roles.js"
import * as Rooms from "./Matrix/Rooms.js"
import * as Session from "./Matrix/Session.js"
import * as SyncLoop from "./Matrix/SyncLoop.js"
import type { Storage } from "./Storage.js"

/** How the bot is signed in, whom it obeys, and how fast. */
export interface Settings {
  /** Where the client-server API is, such as `https://matrix.example.org`. */
  readonly homeserver: string
  /** The bot's user id. */
  readonly userId: string
  readonly credentials: Session.Credentials
  readonly roles: Roles
  /** The folder that `!import` reads; without one there is no import. */
  readonly importDir: string | undefined
  readonly commands: Commanding.Options
  readonly sending: Outbox.Options
  readonly following: Following.Options
  readonly listening: SyncLoop.Options
}

/** What nobody has to say. */
export const defaults: Pick<Settings, "commands" | "sending" | "following" | "listening"> = {
  commands: { perMinute: 120, concurrency: 8 },
  sending: { rate: 10 },
  following: Following.defaults,
  listening: { wait: Duration.seconds(30) },
}

/** The bot, as it runs. */
export class MatrixInterface extends Context.Tag("embedbox/Matrix/MatrixInterface")<
  MatrixInterface,
  {
    /** Whether it is connected. */
    readonly state: Effect.Effect<InterfaceState>
  }
>() {}

/** How often another process is asked whether it still speaks for the account. */
const standbyEvery = Duration.seconds(5)

/** How long what has ended is remembered, and how often it is tidied. */
const kept = Duration.toMillis(Duration.days(7))
const tidyEvery = Duration.hours(1)

/** How long the end waits for the database to let go of the account: others see that the process is gone. */
const goodbye = Duration.seconds(1)

/** Runs the interface as long as its scope lasts. */
export const make = (settings: Settings) =>
  Effect.gen(function* () {
    const { userId } = settings
    const account = yield* Account.make(userId)
    const outboxRows = yield* OutboxRows.make(userId)
    const answers = yield* AnswerRows.make(userId)
    const inbox = yield* Inbox.make(userId)
    const rooms = yield* Rooms.make(userId)
    const cursors = yield* Cursors.make(userId)
    const client = yield* Client.make(settings.homeserver)
    const session = yield* Session.make(client, account, settings.credentials)
    const standing = yield* Standing.make({ name: "matrix", subject: userId, waiting: outboxRows.waiting })

    const toSend = yield* Effect.makeLatch(true)
    const toObey = yield* Effect.makeLatch(true)
    const toImport = yield* Effect.makeLatch(true)

    const outbox = yield* Outbox.make({
      account,
      rows: outboxRows,
      session,
      news: toSend,
      options: settings.sending,
    })
    const following = yield* Following.make({
      account,
      answers,
      outbox: outboxRows,
      news: Effect.asVoid(toSend.open),
      options: settings.following,
    })
    const importing = yield* Importing.make({ account, answers, following, news: toImport })
    const intake = yield* Intake.make({
      account,
      inbox,
      outbox: outboxRows,
      roles: settings.roles,
      rooms,
      session,
    })
    const sync = yield* SyncLoop.make({
      account,
      session,
      intake,
      standing,
      news: Effect.zipRight(toObey.open, toSend.open),
      options: settings.listening,
    })
    const saving = yield* Saving.make(session)
    const reading = yield* Reading.make(cursors)
    const operating = yield* Operating.make({
      answers,
      find: reading.find,
      importDir: settings.importDir,
    })
    const commanding = yield* Commanding.make({
      account,
      inbox,
      outbox: outboxRows,
      answers,
      cursors,
      rooms,
      roles: settings.roles,
      self: sync.self,
      news: toObey,
      onAnswer: Effect.zipRight(toSend.open, toImport.open),
      options: settings.commands,
      handlers: {
        add: saving.add,
        search: reading.search,
        related: reading.related(operating.subject("entityId", "!related <id>")),
        get: reading.get(operating.subject("entityId", "!get <id>")),
        list: reading.list,
        more: reading.more,
        status: operating.status,
        job: operating.job,
        retry: operating.retry,
        import: operating.importing,
        pause: operating.pause,
        resume: operating.resume,
        retryAll: operating.retryAll,
        remove: operating.remove,
      },
    })

    const tidy = account.write(Effect.zipRight(inbox.forget(kept), outboxRows.forget(kept)))

    /** Everything that the holder of the account does, until it is lost. */
    const active = Effect.all(
      [
        Persisting.forever("listening", sync.step, sync.onFailure),
        Persisting.forever("obeying", commanding.run),
        Persisting.forever("sending", outbox.step),
        Persisting.forever("following", following.poll),
        Persisting.forever("hearing of jobs", following.listen),
        Persisting.forever("importing", importing.step),
        Persisting.forever("holding", Effect.zipLeft(account.renew, Effect.sleep(Account.beat))),
        Persisting.forever("tidying", Effect.zipRight(Effect.sleep(tidyEvery), Effect.asVoid(tidy))),
      ],
      { concurrency: "unbounded", discard: true },
    )

    const becomeHolder = Effect.gen(function* () {
      while (true) {
        const taken = yield* Effect.orElseSucceed(account.take, () => false)
        if (taken) return yield* standing.set("starting")
        yield* standing.set("standby", "another process speaks for this account")
        yield* Effect.sleep(standbyEvery)
      }
    })

    yield* Effect.addFinalizer(() =>
      account.release.pipe(
        Effect.interruptible,
        Effect.timeout(goodbye),
        Effect.catchAllCause((cause) => Effect.logDebug("the Matrix account could not be let go of", cause)),
      ),
    )
    yield* Effect.zipRight(becomeHolder, active).pipe(
      Effect.catchTag("NotHolder", () => Effect.void),
      Effect.forever,
      Effect.annotateLogs({ interface: "matrix" }),
      Effect.forkScoped,
    )
    return MatrixInterface.of({ state: standing.state })
  })

type Needs = Storage | DirectorySync | EntityService | EmbeddingQueue | EntityRepository | InterfaceBoard

/** The interface with these settings. */
export const layer = (settings: Settings): Layer.Layer<MatrixInterface, never, Needs> =>
  Layer.scoped(MatrixInterface, make(settings)).pipe(
    Layer.provide(Layer.merge(Client.http, Layer.provide(RateLimiter.layer, RateLimiter.layerStoreMemory))),
  )

export type { Credentials } from "./Matrix/Session.js"
export type { Roles } from "./Matrix/Roles.js"
