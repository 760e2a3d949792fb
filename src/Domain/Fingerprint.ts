/** The identity of a vector space. Vectors of different fingerprints are never compared. */
import * as Schema from "effect/Schema"

export const Fingerprint = Schema.NonEmptyString.pipe(Schema.brand("Fingerprint"))
export type Fingerprint = typeof Fingerprint.Type

/** Everything that, when it changes, makes vectors incomparable. */
export interface VectorSpace {
  readonly provider: string
  readonly model: string
  readonly revision: string
  readonly dimensions: number
  readonly pooling: "mean" | "cls" | "none"
  readonly normalised: boolean
  /** Version of the rule that cuts long text: other windows, other vectors. */
  readonly chunker: string
}

/** Readable on purpose: an operator sees in the database which model made a vector. */
export const fromVectorSpace = (space: VectorSpace): Fingerprint =>
  Fingerprint.make(
    [
      space.provider,
      space.model,
      space.revision,
      `${space.dimensions}d`,
      space.pooling,
      space.normalised ? "unit" : "raw",
      space.chunker,
    ].join("|"),
  )
