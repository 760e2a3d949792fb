import { expect, it } from "@effect/vitest"
import { validate, version } from "uuid"
import { timeOrderedId } from "../../src/Domain/TimeOrderedId.js"

it("is a UUID of version 7, never the same twice", () => {
  const ids = Array.from({ length: 5000 }, () => timeOrderedId(1_700_000_000_000))
  expect(new Set(ids).size).toBe(5000)
  for (const id of ids) {
    expect(validate(id)).toBe(true)
    expect(version(id)).toBe(7)
  }
})

it("grows with time", () => {
  const ids = Array.from({ length: 100 }, (_, i) => timeOrderedId(1_700_000_000_000 + i))
  expect(ids.toSorted()).toEqual(ids)
})
