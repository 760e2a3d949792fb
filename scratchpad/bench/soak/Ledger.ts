/**
 * What is written, what was acknowledged, and whether it is there in the end. Every text follows from its number and
 * version, so one byte an entity remembers all that was promised, in memory that does not grow: the process that
 * keeps the books is also one whose memory is judged.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { contentHash } from "../../../src/Domain/Hash.js"
import { EntityService } from "../../../src/EntityService.js"
import { paragraphs } from "../support.js"

/** Writers at once. Each has entities of its own, so that the order of all writes to one is known. */
const writers = 8

/** After a create: how likely is the update or the delete of an earlier entity. */
const updates = 0.1
const deletes = 0.03

/** Half of these meet one of the newest entities, which are still in their boxes; the others one of all. */
const newest = 50

/** Not written yet; any other number below `gone` is the version that was acknowledged last. */
const none = 0
const gone = 255

export interface Ledger {
  /** By the number of the entity. */
  readonly versions: Uint8Array
  updates: number
  deletes: number
}

export const make = (entities: number): Ledger => ({
  versions: new Uint8Array(entities),
  updates: 0,
  deletes: 0,
})

const texts = paragraphs().filter((paragraph) => paragraph.length <= 400)

const idOf = (number: number) => `note-${number}`

/** An even version has a new text, an odd one only new metadata: its vector stays. */
const fieldsOf = (number: number, version: number) => {
  const edition = version >> 1
  return {
    content: `Note ${number}, edition ${edition}. ${texts[(number + edition) % texts.length] ?? ""}`,
    metadata: { version },
  }
}

/** Creates all, with updates and deletes among them; `mayWrite` holds it back. */
export const write = (ledger: Ledger, seed: number, mayWrite: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const { versions } = ledger

    const create = (number: number) =>
      Effect.gen(function* () {
        yield* service.createEntity({ id: idOf(number), ...fieldsOf(number, 1) })
        versions[number] = 1
      })

    const update = (number: number) =>
      Effect.gen(function* () {
        const version = (versions[number] ?? none) + 1
        if (version >= gone) return
        yield* service.updateEntity(idOf(number), fieldsOf(number, version))
        versions[number] = version
        ledger.updates++
      })

    const remove = (number: number) =>
      Effect.gen(function* () {
        if (versions[number] === gone) return
        yield* service.deleteEntity(idOf(number))
        versions[number] = gone
        ledger.deletes++
      })

    const writer = (index: number) =>
      Effect.gen(function* () {
        const random = Random.make(`${seed}/writer/${index}`)
        for (let count = 0; ; count++) {
          const number = index + count * writers
          if (number >= versions.length) return
          yield* mayWrite
          yield* create(number)
          const chance = yield* random.next
          if (chance >= updates + deletes) continue
          const from = (yield* random.nextBoolean) ? Math.max(0, count - newest) : 0
          const earlier = index + writers * (yield* random.nextIntBetween(from, count + 1))
          yield* chance < updates ? update(earlier) : remove(earlier)
        }
      })

    yield* Effect.forEach(
      Array.from({ length: writers }, (_, index) => index),
      writer,
      {
        concurrency: "unbounded",
        discard: true,
      },
    )
  })

/** Every promise beside what is read. */
export const compare = ({ versions }: Ledger) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const read = new Uint8Array(versions.length)
    const found = { stored: 0, stale: 0, deleted: 0, unembedded: 0 }
    let after = { entityType: "", entityId: "" }
    while (true) {
      const page = yield* service.listEntities({ after, limit: 1000 })
      for (const { contentHash: hash, embedding, id } of page) {
        const number = Number(id.slice("note-".length))
        const version = versions[number] ?? none
        const { content, metadata } = fieldsOf(number, version)
        read[number] = 1
        found.stored++
        if (version === none || version === gone) found.deleted++
        else if (hash !== contentHash(content, metadata)) found.stale++
        if (embedding.state !== "ready") found.unembedded++
      }
      const last = page.at(-1)
      if (last === undefined) break
      after = { entityType: last.entityType, entityId: last.id }
    }
    const missing = versions.reduce(
      (count, version, number) =>
        count + (version !== none && version !== gone && read[number] === 0 ? 1 : 0),
      0,
    )
    return { ...found, missing }
  })
