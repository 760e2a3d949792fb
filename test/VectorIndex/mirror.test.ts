import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Fingerprint } from "../../src/Domain/Fingerprint.js"
import { toBytes } from "../../src/Domain/Vector.js"
import { EntityRepository } from "../../src/EntityRepository.js"
import { Storage } from "../../src/Storage.js"
import * as Mirror from "../../src/VectorIndex/Mirror.js"
import { bytesPerVector } from "../../src/VectorIndex/Segment.js"
import { system } from "../support.js"

const fingerprint = Fingerprint.make("mirrored")
const query = Float32Array.of(1, 0)

/** Gives one entity so many more vectors, and takes all of before away. */
const replaceBy = (count: number, first: number) =>
  Effect.flatMap(Storage, ({ sql, write }) =>
    write(
      Effect.gen(function* () {
        yield* sql`DELETE FROM entity_vectors`
        yield* sql`INSERT OR IGNORE INTO entities (entity_type, entity_id, generation, job_id, created, updated,
            content_hash, input_hash, metadata, content)
          VALUES ('base', 'one', 1, 'job', 0, 0, '', '', '{}', 'text')`
        yield* sql`WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ${count})
          INSERT INTO entity_vectors
            (entity_type, entity_id, chunk, fingerprint, input_hash, vector, heading, path, start, text)
          SELECT 'base', 'one', ${first} + n, ${fingerprint}, 'h', ${toBytes(query)}, '', '[]', 0, 'text' FROM counter`
      }),
    ),
  )

const mirrorOf = (room: number) =>
  Effect.map(EntityRepository, (repository) =>
    Mirror.make(repository, { fingerprint, dimensions: 2, maxBytes: room * bytesPerVector(2) }),
  )

const half = Mirror.fewest / 2

it.scoped("what is gone is swept out when it may be half of all", () =>
  Effect.gen(function* () {
    const mirror = yield* mirrorOf(1_000_000)
    yield* replaceBy(half, 0)
    expect((yield* mirror.compare(query)).size).toBe(half)
    // Too few to be worth it: they are met when they are looked up.
    yield* replaceBy(half, 0)
    expect((yield* mirror.compare(query)).size).toBe(2 * half)
    yield* replaceBy(half, 0)
    const swept = yield* mirror.compare(query)
    expect(swept.size).toBe(half)
    expect(swept.row(0)).toBe(2 * half + 1)
    expect(swept.row(half - 1)).toBe(3 * half)
  }).pipe(Effect.provide(system())),
)

it.scoped("what is gone makes room for what had none", () =>
  Effect.gen(function* () {
    const room = 100
    const mirror = yield* mirrorOf(room)
    yield* replaceBy(room, 0)
    expect((yield* mirror.compare(query)).size).toBe(room)
    yield* replaceBy(Mirror.fewest + 1, 0)
    // Those of before are still there, and everything that is new is beyond them.
    expect((yield* mirror.compare(query)).size).toBe(room + Mirror.fewest + 1)
    const next = yield* mirror.compare(query)
    expect(next.size).toBe(Mirror.fewest + 1)
    expect(next.row(0)).toBe(room + 1)
    expect(next.bound(0)).toBeGreaterThan(0.99)
  }).pipe(Effect.provide(system())),
)
