/**
 * A homeserver, an owner, and the bot over a database of its own, with the fake embedder. Where `MATRIX_HOMESERVER` and
 * `MATRIX_SHARED_SECRET` name a real homeserver, `onAny` runs against that.
 */
import { randomBytes } from "node:crypto"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as EmbeddingWorker from "../../src/EmbeddingWorker.js"
import * as InterfaceBoard from "../../src/InterfaceBoard.js"
import * as Matrix from "../../src/Matrix.js"
import { plainBackoff, system, temporaryDatabase } from "../support.js"
import * as Homeserver from "./homeserver/Homeserver.js"
import { does, Person } from "./Person.js"

/** Names are used once, also on a real homeserver. */
export const fresh = (name: string) => `${name}-${randomBytes(4).toString("hex")}`

export interface Town {
  readonly url: string
  readonly owner: Person
  readonly bot: Person
  readonly newPerson: (name: string) => Effect.Effect<Person>
}

const populate = (url: string, sharedSecret?: string) =>
  Effect.gen(function* () {
    const newPerson = (name: string) => does(() => Person.register(url, fresh(name), sharedSecret))
    const owner = yield* newPerson("owner")
    const bot = yield* newPerson("notes")
    yield* does(() => bot.setName("Note Box"))
    return { url, owner, bot, newPerson } satisfies Town
  })

/** Our own homeserver and who lives there. */
export const town = Effect.gen(function* () {
  const homeserver = yield* Homeserver.start
  return { homeserver, ...(yield* populate(homeserver.url)) }
})

/** A real homeserver where one is named, else ours. */
export const anyTown = Effect.gen(function* () {
  const url = yield* Config.option(Config.string("MATRIX_HOMESERVER"))
  const secret = yield* Config.option(Config.string("MATRIX_SHARED_SECRET"))
  return Option.isSome(url) && Option.isSome(secret) ? yield* populate(url.value, secret.value) : yield* town
}).pipe(Effect.orDie)

/** Settings that answer quickly; people are named by the test. */
export const settingsOf = (
  { bot, owner, url }: Town,
  more: Partial<Matrix.Settings> = {},
): Matrix.Settings => ({
  ...Matrix.defaults,
  homeserver: url,
  userId: bot.userId,
  credentials: { _tag: "Password", password: Redacted.make(bot.password) },
  roles: { owners: [owner.userId], trusted: [], public: [] },
  importDir: undefined,
  commands: { perMinute: 10_000, concurrency: 8 },
  sending: { rate: 1_000 },
  following: { editEvery: Duration.millis(200), mostEdits: 20, pollEvery: Duration.millis(50) },
  listening: { wait: Duration.seconds(10) },
  ...more,
})

/** Services on a file of their own, as long as the test: the bot and the worker come and go. */
export const services = Effect.gen(function* () {
  const filename = yield* temporaryDatabase
  return yield* Layer.build(
    Layer.provideMerge(InterfaceBoard.layer, system({ filename, queue: { backoff: plainBackoff } })),
  )
})

/** Builds a layer in a scope of its own; answers how to end it. */
const running = <A, R>(layer: Layer.Layer<A, never, R>) =>
  Effect.gen(function* () {
    const scope = yield* Effect.acquireRelease(Scope.make(), (life) => Scope.close(life, Exit.void))
    const context = yield* Layer.buildWithScope(layer, scope)
    return { context, stop: Scope.close(scope, Exit.void) }
  })

/** A worker; `stop` ends it. */
export const startWorker = running(EmbeddingWorker.layerWith({ batchSize: 8, pollInterval: "20 millis" }))

/** The bot; `stop` ends it. */
export const startBot = (settings: Matrix.Settings) =>
  Effect.map(running(Matrix.layer(settings)), ({ context, stop }) => ({
    stop,
    state: Context.get(context, Matrix.MatrixInterface).state,
  }))

/** A room with the owner, the bot and some others; the bot has accepted, and has said that it is there. */
export const roomWith = ({ bot, owner }: Town, others: ReadonlyArray<Person> = [], more: object = {}) =>
  does(async () => {
    const roomId = await owner.createRoom({ preset: "private_chat", ...more })
    for (const other of others) {
      await owner.invite(roomId, other.userId)
      await other.join(roomId)
    }
    await owner.invite(roomId, bot.userId)
    await owner.until("the bot to join", () =>
      owner.heard.find(
        ({ roomId: where, sender, type }) =>
          where === roomId && type === "m.room.message" && sender === bot.userId,
      ),
    )
    return roomId
  })

/** Says something and answers what the bot answered. */
export const ask = (person: Person, roomId: string, body: string, more: object = {}) =>
  does(async () => person.answer(await person.say(roomId, body, more)))

/** What an answer says in its last form, once that matches. */
export const finallySays = (person: Person, eventId: string, pattern: RegExp) =>
  does(async () => {
    const edit = await person.edit(eventId, (body) => pattern.test(body))
    return edit.content["m.new_content"]?.body ?? ""
  })

/** The content of a reply, as clients make it. */
export const replyTo = (eventId: string) => ({ "m.relates_to": { "m.in_reply_to": { event_id: eventId } } })

/** The id in a receipt. */
export const idsIn = (body: string) => [...body.matchAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g)].map(([id]) => id)

/** Looks again and again: for what is told by nobody. */
export const eventually = <A, E, R>(look: Effect.Effect<A, E, R>) =>
  Effect.retry(look, Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(3_000)))
