/**
 * For whom the bot speaks, and the right to do so. Several daemons may share a database, but only one of them may hear
 * and answer for an account: its holder, who is followed when it falls silent or dies. Holding is not trusted to timers:
 * every transaction of the interface begins by naming its holder, and one that has lost the account writes nothing.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { StorageError } from "../Domain/Errors.js"
import * as Owner from "../EmbeddingQueue/Owner.js"
import { type LowLevelError, Storage } from "../Storage.js"
import { NotHolder } from "./Errors.js"

/** How often the holder gives a sign of life, and how long a silent one is believed to be alive. */
export const beat = Duration.seconds(10)
const patience = Duration.seconds(45)

const Row = Schema.Struct({
  deviceId: Schema.NullOr(Schema.String),
  syncToken: Schema.NullOr(Schema.String),
  holder: Schema.NullOr(Schema.String),
  beatAt: Schema.Int,
})
const decode = Schema.decodeUnknown(Schema.NonEmptyArray(Row))

export interface Account {
  readonly userId: string
  /** Becomes the holder, where nobody else is. */
  readonly take: Effect.Effect<boolean, StorageError>
  /** Lets others have it. */
  readonly release: Effect.Effect<void, StorageError>
  /** A sign of life. */
  readonly renew: Effect.Effect<void, StorageError | NotHolder>
  /** One transaction of the holder's. */
  readonly write: <A, E, R>(
    effect: Effect.Effect<A, E, R>,
  ) => Effect.Effect<A, Exclude<E, LowLevelError> | StorageError | NotHolder, R>
  readonly state: Effect.Effect<typeof Row.Type, StorageError>
  /** Inside `write`: from where the next sync goes on; nothing for a fresh start. */
  readonly moveTo: (syncToken: string | null) => Effect.Effect<void, LowLevelError>
  /** The device whose transaction ids count. */
  readonly useDevice: (deviceId: string) => Effect.Effect<void, StorageError | NotHolder>
}

/** The account of a user, for the process that owns the scope. */
export const make = (userId: string) =>
  Effect.gen(function* () {
    const storage = yield* Storage
    const sql = storage.statement
    const owner = yield* Owner.make

    const row = Effect.map(
      Effect.flatMap(
        sql`SELECT device_id AS "deviceId", sync_token AS "syncToken", holder, beat_at AS "beatAt"
          FROM matrix_accounts WHERE user_id = ${userId}`,
        decode,
      ),
      ([one]) => one,
    )

    const take = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* sql`INSERT INTO matrix_accounts (user_id, beat_at) VALUES (${userId}, ${now})
        ON CONFLICT (user_id) DO NOTHING`
      const { beatAt, holder } = yield* row
      const isHeld =
        holder !== null &&
        holder !== owner &&
        !Owner.isDead(holder) &&
        // Clocks are set back and forth.
        Math.abs(now - beatAt) <= Duration.toMillis(patience)
      if (isHeld) return false
      yield* sql`UPDATE matrix_accounts SET holder = ${owner}, beat_at = ${now} WHERE user_id = ${userId}`
      return true
    })

    const named = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const held = yield* sql`UPDATE matrix_accounts SET beat_at = ${now}
        WHERE user_id = ${userId} AND holder = ${owner} RETURNING 1 AS held`
      if (held.length === 0) return yield* new NotHolder({ account: userId })
    })

    const write: Account["write"] = (effect) => storage.write(Effect.zipRight(named, effect))

    return {
      userId,
      take: storage.write(take),
      release: Effect.asVoid(
        storage.write(
          sql`UPDATE matrix_accounts SET holder = NULL WHERE user_id = ${userId} AND holder = ${owner}`,
        ),
      ),
      renew: write(Effect.void),
      write,
      state: storage.read(row),
      moveTo: (syncToken) =>
        Effect.asVoid(sql`UPDATE matrix_accounts SET sync_token = ${syncToken} WHERE user_id = ${userId}`),
      useDevice: (deviceId) =>
        Effect.asVoid(
          write(sql`UPDATE matrix_accounts SET device_id = ${deviceId} WHERE user_id = ${userId}`),
        ),
    } satisfies Account
  })
