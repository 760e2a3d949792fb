/** How the rows that `Statements` gives back are read: checked by Schema, since a database file is foreign input. */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Decoding from "../Domain/Decoding.js"
import { Attempt, AttemptToken, Job, JobId, ListedJob } from "../Domain/Job.js"
import type { Statement } from "../Storage.js"
import * as Step from "../Storage/Step.js"

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

// The parser of a Schema is made here, once, and not for each statement: making it costs more than the statement does.

/** Every row. */
const all = <A, I>(row: Schema.Schema<A, I>) => {
  const decode = Decoding.list(row)
  return (rows: Statement) => Step.mapEither(rows, decode)
}

/** What is told of all the rows. */
const told = <A, I, B>(row: Schema.Schema<A, I>, tell: (rows: ReadonlyArray<A>) => B) => {
  const decode = Decoding.list(row)
  const decodeAndTell = (rows: ReadonlyArray<unknown>) => Either.map(decode(rows), tell)
  return (rows: Statement) => Step.mapEither(rows, decodeAndTell)
}

/** What each row tells. */
const each = <A, I, B>(row: Schema.Schema<A, I>, tell: (row: A) => B) => told(row, (rows) => rows.map(tell))

/** The first row, if there is one. */
const first = <A, I>(row: Schema.Schema<A, I>) => told(row, ([one]) => Option.fromNullable(one))

/** What the row of a statement tells that always gives one. */
const value = <A, I, B>(row: Schema.Schema<A, I>, tell: (row: A) => B) => {
  const decode = Decoding.first(row)
  const decodeAndTell = (rows: ReadonlyArray<unknown>) => Either.map(decode(rows), tell)
  return (rows: Statement) => Step.mapEither(rows, decodeAndTell)
}

/** The row itself. */
const only = <A, I>(row: Schema.Schema<A, I>) => value(row, (one) => one)

const Count = Schema.Struct({ count: Schema.Int })
const Waiting = Schema.Struct({ waiting: Schema.Int })
const Generation = Schema.Struct({ generation: Schema.Int })
const Token = Schema.Struct({ token: AttemptToken })
const Due = Schema.Struct({ due: Schema.NullOr(Schema.Int) })
const AttemptNumber = Schema.Struct({ attempt: Schema.Int })
const OwnerRow = Schema.Struct({ owner: Schema.String })

export const job = first(Job)
export const jobs = all(Job)
export const jobRows = all(JobRow)
export const jobRow = first(JobRow)
export const lineRows = all(LineRow)
export const heldRows = all(HeldRow)
export const heldRow = first(HeldRow)
export const replaced = all(ReplacedRow)
export const listed = all(ListedJob)
export const places = all(PlaceRow)
export const attempts = all(AttemptRow)
export const workers = all(WorkerRow)
export const probe = only(ProbeRow)
export const counts = only(CountsRow)
export const waiting = only(Schema.Struct({ pending: Schema.Int, failed: Schema.Int }))
/** What was taken of the counter, and how many boxes wait. */
export const taken = only(Schema.Struct({ ...Generation.fields, ...Waiting.fields }))
export const successor = first(Schema.Struct({ jobId: JobId }))
export const generations = each(Generation, (row) => row.generation)
export const tokens = each(Token, (row) => row.token)
export const owners = each(OwnerRow, (row) => row.owner)
export const count = value(Count, (row) => row.count)
export const generation = value(Generation, (row) => row.generation)
export const waitingCount = value(Waiting, (row) => row.waiting)
export const due = value(Due, (row) => row.due)
export const attemptNumber = value(AttemptNumber, (row) => row.attempt)
