/**
 * Asks a database whether what must always hold does, and mends what can be mended safely. It works on a live
 * database: workers need not stop, and it never makes them wait, since looking takes no lock and mending takes it
 * for one small batch at a time. What it reports is true of one moment of each check, never a mixture of two.
 *
 * A claim whose worker died is no violation, it is what leases are for; `repair` gives it back all the same. Rules in
 * SQL are one statement each and are run aside, since with 50,000 notes (340 MB) SQLite's check of the file takes 0.6 s;
 * what only this program can check goes page by page, 26 ms each, and is what a busy host leaves to the command line.
 *
 * @example
 * import { Doctor, Shell } from "embedbox"
 * import * as Effect from "effect/Effect"
 *
 * export const isWell = Effect.gen(function* () {
 *   const { examine } = yield* Doctor.Doctor
 *   return Doctor.violationCount(yield* examine) === 0
 * }).pipe(Effect.provide(Doctor.layer), Effect.provide(Shell.layerWithoutWorker))
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StorageError } from "./Domain/Errors.js"
import * as Contents from "./Doctor/Contents.js"
import type { Check, Diagnosis, Repairs } from "./Doctor/Diagnosis.js"
import * as Mending from "./Doctor/Mending.js"
import * as Rules from "./Doctor/Rules.js"
import { EmbeddingQueue } from "./EmbeddingQueue.js"
import { EntityRepository } from "./EntityRepository.js"
import { Storage } from "./Storage.js"

export {
  Check,
  Diagnosis,
  Invariant,
  mostNamed,
  Repairs,
  Violation,
  violationCount,
} from "./Doctor/Diagnosis.js"

/** Examines a database, and mends it. */
export class Doctor extends Context.Tag("embedbox/Doctor")<
  Doctor,
  {
    /** Checks I1 to I7 and SQLite's own order. Only reads. */
    readonly examine: Effect.Effect<Diagnosis, StorageError>
    /**
     * Gives back what dead workers held, removes vectors and full-text without a source, writes full-text that is
     * missing from the newest text, and examines again. Never removes a box or an entity.
     */
    readonly repair: Effect.Effect<Repairs, StorageError>
  }
>() {}

type Title = Pick<Check, "name" | "invariant">

/** What SQLite cannot even read is a finding like any other: the other checks go on. */
const unlessDamaged =
  (title: Title) =>
  (run: Effect.Effect<Check, StorageError>): Effect.Effect<Check, StorageError> =>
    Effect.catchIf(
      run,
      (error) => error.trouble === "Corrupt" || error.trouble === "InvalidRow",
      ({ reason }) =>
        Effect.succeed({
          ...title,
          rows: 0,
          found: 1,
          violations: [
            { message: `it cannot be checked: ${reason}`, entityType: null, entityId: null, jobId: null },
          ],
        }),
    )

/** Makes the service. */
export const make = Effect.gen(function* () {
  const storage = yield* Storage
  const queue = yield* EmbeddingQueue
  const repository = yield* EntityRepository
  const mend = Mending.make({ storage, queue, repository })

  const examine = Effect.forEach(
    [...Rules.checks(storage), ...Contents.checks(storage)],
    ({ run, ...title }) => unlessDamaged(title)(run),
  ).pipe(
    Effect.map((checks): Diagnosis => ({ checks })),
    Effect.withSpan("Doctor.examine"),
  )

  const repair = Effect.gen(function* () {
    const done = yield* mend
    const repairs: Repairs = { ...done, diagnosis: yield* examine }
    return repairs
  }).pipe(Effect.withSpan("Doctor.repair"))

  return Doctor.of({ examine, repair })
})

/** The doctor of the database that `Storage` serves. */
export const layer: Layer.Layer<Doctor, never, Storage | EmbeddingQueue | EntityRepository> = Layer.effect(
  Doctor,
  make,
)
