/**
 * What may happen, as data. Operations name jobs and claims by their place ("the second newest in this worker's
 * hand"), so that any list of them makes sense and a shorter list still does: that is what lets a failing run shrink to
 * a few lines. Keys and texts are few, because only those who meet each other can quarrel.
 */
import * as fc from "effect/FastCheck"
import type { Fault } from "../../src/Domain/Errors.js"
import { type Key, nameOf, poison } from "./Model.js"

export type Operation =
  | {
      readonly op: "create"
      readonly key: Key
      readonly text: string
      readonly mark: number
      readonly priority: number
      readonly maxRetries: number
    }
  | {
      /** Several at once: by one caller, or by as many who meet in a commit. */
      readonly op: "createAll"
      readonly how: "bulk" | "concurrent"
      readonly writes: ReadonlyArray<{ readonly key: Key; readonly text: string; readonly mark: number }>
    }
  | { readonly op: "createSync"; readonly key: Key; readonly text: string; readonly mark: number }
  | { readonly op: "upsert"; readonly key: Key; readonly text: string; readonly mark: number }
  | {
      readonly op: "update"
      readonly key: Key
      readonly text: string | undefined
      readonly mark: number | undefined
    }
  | { readonly op: "delete"; readonly key: Key }
  | { readonly op: "cancel"; readonly receipt: number }
  | {
      readonly op: "retryFailed"
      readonly type: string | undefined
      readonly outcome: "exhausted" | "cancelled" | undefined
    }
  | { readonly op: "retryOne"; readonly receipt: number }
  | { readonly op: "claim"; readonly by: number; readonly n: number; readonly suspects: boolean }
  | { readonly op: "renew"; readonly by: number }
  | {
      readonly op: "work"
      readonly by: number
      readonly from: number
      readonly take: number
      /** What hinders the embedder, if anything does. */
      readonly fault: "provider" | "host" | undefined
    }
  | {
      readonly op: "fail"
      readonly by: number
      readonly from: number
      readonly fault: Fault
      readonly retryAfter: number | undefined
    }
  | { readonly op: "release"; readonly by: number; readonly from: number }
  | { readonly op: "storeLate"; readonly by: number; readonly from: number }
  | { readonly op: "clock"; readonly millis: number }
  | { readonly op: "reclaim"; readonly by: number }
  | { readonly op: "resetStuck"; readonly by: number; readonly after: number }
  | { readonly op: "cleanup"; readonly olderThan: number }
  | { readonly op: "pause" }
  | { readonly op: "resume" }
  | { readonly op: "restart"; readonly by: number }

export const keys: ReadonlyArray<Key> = [
  { type: "base", id: "a" },
  { type: "base", id: "b" },
  { type: "note", id: "a" },
]

/** One text is longer than the embedder's window and has a heading, one is refused by it. */
export const texts: ReadonlyArray<string> = ["alpha", "beta", "# zeta\n\ngamma delta", poison]

/** Processes that share the database. */
export const workers = 3

const key = fc.constantFrom(...keys, ...keys.slice(0, 1))
const text = fc.constantFrom(...texts)
const mark = fc.constantFrom(0, 1)
// One of them has most of the work, so that what is claimed is also brought to an end.
const by = fc.constantFrom(0, 0, 0, 1, 1, 2)
const from = fc.constantFrom(0, 0, 0, 1, 1, 2)

const record = <Name extends Operation["op"], A>(op: Name, fields: { [F in keyof A]: fc.Arbitrary<A[F]> }) =>
  fc.record({ op: fc.constant(op), ...fields })

export const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: record("create", {
      key,
      text,
      mark,
      priority: fc.constantFrom(0, 0, 5),
      maxRetries: fc.constantFrom(3, 0, 0, 1),
    }),
  },
  {
    weight: 4,
    arbitrary: record("createAll", {
      how: fc.constantFrom("bulk" as const, "concurrent" as const),
      writes: fc.array(fc.record({ key, text, mark }), { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 2, arbitrary: record("createSync", { key, text, mark }) },
  { weight: 10, arbitrary: record("upsert", { key, text, mark }) },
  {
    weight: 8,
    arbitrary: record("update", {
      key,
      text: fc.option(text, { nil: undefined }),
      mark: fc.option(mark, { nil: undefined }),
    }),
  },
  { weight: 5, arbitrary: record("delete", { key }) },
  { weight: 4, arbitrary: record("cancel", { receipt: fc.nat({ max: 5 }) }) },
  {
    weight: 2,
    arbitrary: record("retryFailed", {
      type: fc.constantFrom(undefined, "base", "note"),
      outcome: fc.constantFrom(undefined, undefined, "exhausted" as const, "cancelled" as const),
    }),
  },
  { weight: 2, arbitrary: record("retryOne", { receipt: fc.nat({ max: 5 }) }) },
  {
    weight: 16,
    arbitrary: record("claim", { by, n: fc.integer({ min: 1, max: 3 }), suspects: fc.boolean() }),
  },
  { weight: 3, arbitrary: record("renew", { by }) },
  {
    weight: 14,
    arbitrary: record("work", {
      by,
      from,
      take: fc.integer({ min: 1, max: 3 }),
      fault: fc.constantFrom(undefined, undefined, undefined, "provider" as const, "host" as const),
    }),
  },
  {
    weight: 5,
    arbitrary: record("fail", {
      by,
      from,
      fault: fc.constantFrom("item" as const, "item" as const, "provider" as const, "host" as const),
      retryAfter: fc.constantFrom(undefined, 5_000),
    }),
  },
  { weight: 3, arbitrary: record("release", { by, from }) },
  { weight: 3, arbitrary: record("storeLate", { by, from }) },
  // Forwards mostly; clocks of real machines also jump back.
  {
    weight: 8,
    arbitrary: record("clock", { millis: fc.constantFrom(1, 1_000, 2_000, 31_000, 400_000, -3_000) }),
  },
  { weight: 5, arbitrary: record("reclaim", { by }) },
  { weight: 2, arbitrary: record("resetStuck", { by, after: fc.constantFrom(0, 300_000) }) },
  { weight: 4, arbitrary: record("cleanup", { olderThan: fc.constantFrom(0, 10_000) }) },
  { weight: 1, arbitrary: record("pause", {}) },
  { weight: 3, arbitrary: record("resume", {}) },
  { weight: 4, arbitrary: record("restart", { by }) },
)

/** One line: the name, then what it was given. */
export const print = ({ op, ...given }: Operation): string =>
  [
    op,
    ...Object.entries(given)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${isKey(value) ? nameOf(value) : JSON.stringify(value)}`),
  ].join(" ")

const isKey = (value: unknown): value is Key => typeof value === "object" && value !== null && "id" in value

/** A list of operations that prints itself as lines in a counterexample. */
export class Plan {
  constructor(readonly operations: ReadonlyArray<Operation>) {}
  [fc.toStringMethod]() {
    return `\n${this.operations.map((operation, at) => `  ${at + 1}. ${print(operation)}`).join("\n")}\n`
  }
}

export const plan = (most: number): fc.Arbitrary<Plan> =>
  fc.array(operation, { minLength: 1, maxLength: most, size: "max" }).map((list) => new Plan(list))
