/**
 * Which entities may be found, in SQL. One text of a statement whatever is asked for: the wishes are values, so nothing
 * that a user writes can be syntax, and the cache of statements does not grow with them.
 */
import type * as SqlStatement from "@effect/sql/Statement"
import type { Entity } from "../Domain/Entity.js"
import type { EntityFilter, Scalar, TimeRange } from "../Domain/Search.js"
import type { StatementBuilder } from "../Storage.js"

/** Where the columns of an entity come from, as SQL. */
export interface Columns {
  readonly entityType: string
  readonly metadata: string
  readonly created: string
  readonly updated: string
}

const hasRange = (range: TimeRange | undefined) => range?.from !== undefined || range?.before !== undefined

/** Whether more than the type matters. */
export const looksInside = ({ created, metadata, updated }: EntityFilter): boolean =>
  Object.keys(metadata ?? {}).length > 0 || hasRange(created) || hasRange(updated)

/** Whether anything matters. */
export const isOpen = (filter: EntityFilter): boolean =>
  (filter.entityTypes ?? []).length === 0 && (filter.excludedTypes ?? []).length === 0 && !looksInside(filter)

/** The names that SQLite's JSON functions give to the types of a value. */
const jsonTypes = (value: Scalar): ReadonlyArray<string> =>
  value === null
    ? ["null"]
    : typeof value === "string"
      ? ["text"]
      : typeof value === "number"
        ? ["integer", "real"]
        : [String(value)]

/** A boolean is a number there, told apart by its type alone. */
const wanted = (metadata: NonNullable<EntityFilter["metadata"]>) =>
  JSON.stringify(
    Object.entries(metadata).map(([key, value]) => ({
      key,
      types: jsonTypes(value),
      value: typeof value === "boolean" ? Number(value) : value,
    })),
  )

/** The condition on the type alone. */
export const ofType = (
  { part, literal }: StatementBuilder,
  { entityTypes = [], excludedTypes = [] }: EntityFilter,
  entityType: string,
): SqlStatement.Fragment => {
  const [only, not] = [JSON.stringify(entityTypes), JSON.stringify(excludedTypes)]
  const column = literal(entityType)
  return part`((${only} = '[]' OR ${column} IN (SELECT value FROM json_each(${only})))
    AND (${not} = '[]' OR ${column} NOT IN (SELECT value FROM json_each(${not}))))`
}

const within = ({ part, literal }: StatementBuilder, range: TimeRange | undefined, column: string) =>
  part`(${literal(column)} >= ${range?.from ?? Number.MIN_SAFE_INTEGER}
    AND ${literal(column)} < ${range?.before ?? Number.MAX_SAFE_INTEGER})`

/** The whole condition. Damaged metadata has no values. */
export const condition = (
  statement: StatementBuilder,
  filter: EntityFilter,
  columns: Columns,
): SqlStatement.Fragment => {
  const { literal, part } = statement
  const metadata = literal(columns.metadata)
  return part`${ofType(statement, filter, columns.entityType)}
    AND ${within(statement, filter.created, columns.created)}
    AND ${within(statement, filter.updated, columns.updated)}
    AND NOT EXISTS (
      SELECT 1 FROM json_each(${wanted(filter.metadata ?? {})}) AS wish WHERE NOT EXISTS (
        SELECT 1 FROM json_each(CASE WHEN json_valid(${metadata}) THEN ${metadata} ELSE '{}' END) AS its
        WHERE its.key = wish.value ->> 'key' AND CASE its.type
          WHEN 'array' THEN EXISTS (
            SELECT 1 FROM json_each(its.value) AS one
            WHERE one.atom IS wish.value ->> 'value'
              AND one.type IN (SELECT value FROM json_each(wish.value -> 'types')))
          ELSE its.atom IS wish.value ->> 'value'
            AND its.type IN (SELECT value FROM json_each(wish.value -> 'types')) END))`
}

/** Whether an entity as it is read passes: the same rule, for what was found under an older version. */
export const passes = (
  filter: EntityFilter,
  { created, entityType, metadata, updated }: Pick<Entity, "entityType" | "metadata" | "created" | "updated">,
): boolean => {
  const { entityTypes = [], excludedTypes = [] } = filter
  const isWithin = (range: TimeRange | undefined, at: number) =>
    at >= (range?.from ?? Number.NEGATIVE_INFINITY) && at < (range?.before ?? Number.POSITIVE_INFINITY)
  return (
    (entityTypes.length === 0 || entityTypes.includes(entityType)) &&
    !excludedTypes.includes(entityType) &&
    isWithin(filter.created, created) &&
    isWithin(filter.updated, updated) &&
    Object.entries(filter.metadata ?? {}).every(([key, value]) => {
      const its = Object.hasOwn(metadata, key) ? metadata[key] : undefined
      return Array.isArray(its) ? its.includes(value) : its === value
    })
  )
}
