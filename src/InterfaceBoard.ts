/**
 * The notice board of interfaces, as the queue has one for workers: each that lives on a connection of its own says how
 * it stands, so that `embedbox status` in any process can tell a quiet chat from a bot that was locked out. A row
 * outlives a process that was killed; readers leave out what is certainly dead.
 *
 * @example
 * import { InterfaceBoard } from "embedbox"
 * import * as Effect from "effect/Effect"
 *
 * export const connected = Effect.gen(function* () {
 *   const board = yield* InterfaceBoard.InterfaceBoard
 *   return (yield* board.notices).map(({ name, state }) => `${name}: ${state}`)
 * })
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { StorageError } from "./Domain/Errors.js"
import { InterfaceNotice, type InterfaceReport } from "./Domain/InterfaceNotice.js"
import { clipped } from "./Domain/Text.js"
import * as Owner from "./EmbeddingQueue/Owner.js"
import { Storage } from "./Storage.js"

/** How often an interface should report. */
export const beat: Duration.DurationInput = "10 seconds"

/** How long one that does not report is believed to be there, in milliseconds: three beats. */
const patience = 3 * Duration.toMillis(beat)

/** How long a silent row is kept, in milliseconds: a day. */
const kept = 86_400_000

const longestReason = 500

/** How long a process that ends waits for the database to take its name off. */
const goodbye = "1 second"

/** The board. */
export class InterfaceBoard extends Context.Tag("embedbox/InterfaceBoard")<
  InterfaceBoard,
  {
    /** Writes on the board how an interface of this process stands. Removed at the end of the board's scope. */
    readonly report: (report: InterfaceReport) => Effect.Effect<void, StorageError>
    /** What interfaces there are, in any process; those that are certainly dead are left out. */
    readonly notices: Effect.Effect<ReadonlyArray<InterfaceNotice>, StorageError>
  }
>() {}

const { alive: _, ...columns } = InterfaceNotice.fields
const decode = Schema.decodeUnknown(Schema.Array(Schema.Struct(columns)))

/** Makes the service. */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const owner = yield* Owner.make
  const sql = storage.statement
  let onBoard = false

  const rows = Effect.flatMap(
    sql`SELECT owner, name, subject, state, reason, waiting, since, beat_at AS "beatAt"
      FROM interface_notices ORDER BY name, subject, owner`,
    decode,
  )

  const silentFor = (beatAt: number, now: number) => Math.abs(now - beatAt)

  const sweep = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const gone = (yield* rows).filter((row) => Owner.isDead(row.owner) || silentFor(row.beatAt, now) > kept)
    yield* Effect.forEach(gone, (row) => sql`DELETE FROM interface_notices WHERE owner = ${row.owner}`, {
      discard: true,
    })
  })

  const report = ({ name, reason, state, subject, waiting }: InterfaceReport) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      onBoard = true
      yield* storage.write(
        Effect.zipRight(
          sql`INSERT INTO interface_notices (owner, name, subject, state, reason, waiting, since, beat_at)
            VALUES (${owner}, ${name}, ${subject}, ${state},
              ${reason === null ? null : clipped(reason, longestReason)}, ${waiting}, ${now}, ${now})
            ON CONFLICT (owner, name) DO UPDATE SET
              since = CASE WHEN state = excluded.state THEN since ELSE excluded.since END,
              subject = excluded.subject, state = excluded.state, reason = excluded.reason,
              waiting = excluded.waiting, beat_at = excluded.beat_at`,
          sweep,
        ),
      )
    })

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() =>
      onBoard ? storage.write(sql`DELETE FROM interface_notices WHERE owner = ${owner}`) : Effect.void,
    ).pipe(
      Effect.interruptible,
      Effect.timeout(goodbye),
      Effect.catchAllCause((cause) => Effect.logDebug("an interface could not be signed off", cause)),
    ),
  )

  const notices = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    return (yield* storage.read(rows))
      .filter((row) => !Owner.isDead(row.owner))
      .map((row): InterfaceNotice => ({ ...row, alive: silentFor(row.beatAt, now) <= patience }))
  })

  return InterfaceBoard.of({ report, notices })
})

/** The service over what it stands on, as a Layer. */
export const layer: Layer.Layer<InterfaceBoard, never, Storage> = Layer.scoped(InterfaceBoard, make)
