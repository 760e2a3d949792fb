import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { EntityService } from "../../src/EntityService.js"
import { settle } from "../support.js"
import { withSystem } from "./fixtures.js"

/** The warnings that Node emits while an effect runs. */
const warningsOf = <E, R>(effect: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    const heard: Array<string> = []
    const listener = (warning: Error & { readonly code?: string }) => {
      if (warning.name === "DeprecationWarning") heard.push(`${warning.code}: ${warning.message}`)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("warning", listener)),
      () => Effect.sync(() => process.off("warning", listener)),
    )
    yield* effect
    yield* settle
    return heard
  })

const create = (id: string) =>
  Effect.flatMap(EntityService, (service) => service.createEntitySync({ id, content: id }))

it.effect("who still embeds inline is told once for each place that does", () =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const heard = yield* warningsOf(
      Effect.gen(function* () {
        for (const id of ["a", "b", "c"]) yield* service.createEntitySync({ id, content: id })
        yield* service.createEntitySync({ id: "d", content: "d" })
      }),
    )
    expect(heard).toHaveLength(2)
    for (const one of heard) {
      expect(one).toMatch(
        /^EMBEDBOX_DEP0001: createEntitySync makes .* \(called at .*deprecation\.test\.ts:\d+:\d+\)$/,
      )
    }
    expect(new Set(heard).size).toBe(2)
  }).pipe(withSystem),
)

it.effect("and not at all where Node was told to be silent", () =>
  Effect.gen(function* () {
    yield* Effect.acquireRelease(
      Effect.sync(() => (process.noDeprecation = true)),
      () => Effect.sync(() => (process.noDeprecation = false)),
    )
    expect(yield* warningsOf(create("quiet"))).toEqual([])
  }).pipe(withSystem),
)
