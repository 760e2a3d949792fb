/** How the rows that `Statements` gives back are read: checked by Schema, since a database file is foreign input. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { Attempt, AttemptToken, Job, JobId, ListedJob } from "../Domain/Job.js"

/** A job with what it boxes, as JSON; null once it has let go of it. */
export const JobRow = Schema.Struct({ ...Job.fields, content: Schema.NullOr(Schema.String) })
export type JobRow = typeof JobRow.Type

/** The same with its place in line. */
export const LineRow = Schema.Struct({ ...JobRow.fields, line: Schema.Int })
export type LineRow = typeof LineRow.Type

/** A job in somebody's hand, and whether it is there alone. */
export const HeldRow = Schema.Struct({ ...Job.fields, alone: Schema.Literal(0, 1) })
export type HeldRow = typeof HeldRow.Type

/** A live box that is in nobody's hand, without what it boxes. */
const ReplacedRow = Schema.Struct({
  generation: Schema.Int,
  entityType: Job.fields.entityType,
  entityId: Job.fields.entityId,
  status: Schema.Literal("pending", "failed"),
  line: Schema.Int,
  priority: Schema.Int,
  scheduledFor: Schema.Int,
})

const ProbeRow = Schema.Struct({
  paused: Schema.Int,
  ready: Schema.Int,
  nextDelayed: Schema.NullOr(Schema.Int),
  nextSuspect: Schema.NullOr(Schema.Int),
})

const CountsRow = Schema.Struct({
  pending: Schema.Int,
  processing: Schema.Int,
  failed: Schema.Int,
  completed: Schema.Int,
})

const AttemptRow = Schema.Struct({
  ...Attempt.fields,
  crashed: Schema.transformLiterals([0, false], [1, true]),
})

const PlaceRow = Schema.Struct({ generation: Schema.Int, updatedAt: Schema.Int })

const WorkerRow = Schema.Struct({
  owner: Schema.String,
  startedAt: Schema.Int,
  beatAt: Schema.Int,
  inHand: Schema.Int,
  stored: Schema.Int,
  failed: Schema.Int,
  failures: Schema.Int,
  until: Schema.NullOr(Schema.Int),
  reason: Schema.NullOr(Schema.String),
})
export type WorkerRow = typeof WorkerRow.Type

/** A statement that was built and not yet run. */
export type Rows<E> = Effect.Effect<ReadonlyArray<unknown>, E>

// The parser of a Schema is made once for each of these, not once for each statement: making it costs more than the
// statement does.
const all = <A, I>(row: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknown(Schema.Array(row))
  return <E>(rows: Rows<E>): Effect.Effect<ReadonlyArray<A>, E | ParseError> => Effect.flatMap(rows, decode)
}

const first = <A, I>(row: Schema.Schema<A, I>) => {
  const decoded = all(row)
  return <E>(rows: Rows<E>): Effect.Effect<Option.Option<A>, E | ParseError> =>
    Effect.map(decoded(rows), ([one]) => Option.fromNullable(one))
}

const only = <A, I>(row: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknown(Schema.NonEmptyArray(row))
  return <E>(rows: Rows<E>): Effect.Effect<A, E | ParseError> =>
    Effect.map(Effect.flatMap(rows, decode), ([value]) => value)
}

const countRow = only(Schema.Struct({ count: Schema.Int }))
const waitingRow = only(Schema.Struct({ waiting: Schema.Int }))
const generationRows = all(Schema.Struct({ generation: Schema.Int }))
const tokenRows = all(Schema.Struct({ token: AttemptToken }))
const jobIdRow = first(Schema.Struct({ jobId: JobId }))
const ownerRows = all(Schema.Struct({ owner: Schema.NullOr(Schema.String) }))

export const job = first(Job)
export const jobs = all(Job)
export const listed = all(ListedJob)
export const places = all(PlaceRow)
export const attempts = all(AttemptRow)
export const attemptNumber = <E>(rows: Rows<E>) =>
  Effect.map(only(Schema.Struct({ attempt: Schema.Int }))(rows), (row) => row.attempt)
export const workers = all(WorkerRow)
export const due = <E>(rows: Rows<E>) =>
  Effect.map(only(Schema.Struct({ due: Schema.NullOr(Schema.Int) }))(rows), (row) => row.due)
export const jobRows = all(JobRow)
export const jobRow = first(JobRow)
export const lineRows = all(LineRow)
export const heldRows = all(HeldRow)
export const heldRow = first(HeldRow)
export const probe = only(ProbeRow)
export const waiting = only(Schema.Struct({ pending: Schema.Int, failed: Schema.Int }))
export const counts = only(CountsRow)
/** What was taken of the counter, and how many boxes wait. */
export const taken = only(Schema.Struct({ generation: Schema.Int, waiting: Schema.Int }))
export const count = <E>(rows: Rows<E>) => Effect.map(countRow(rows), (row) => row.count)
export const waitingCount = <E>(rows: Rows<E>) => Effect.map(waitingRow(rows), (row) => row.waiting)
export const replaced = all(ReplacedRow)
export const generations = <E>(rows: Rows<E>) =>
  Effect.map(generationRows(rows), (list) => list.map((row) => row.generation))
export const tokens = <E>(rows: Rows<E>) =>
  Effect.map(tokenRows(rows), (list) => list.map((row) => row.token))
export const jobId = <E>(rows: Rows<E>) =>
  Effect.map(
    jobIdRow(rows),
    Option.map((row) => row.jobId),
  )
export const owners = <E>(rows: Rows<E>) =>
  Effect.map(ownerRows(rows), (list) => list.flatMap((row) => (row.owner === null ? [] : [row.owner])))
