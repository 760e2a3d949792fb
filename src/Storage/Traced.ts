/**
 * Whether anybody sees spans. Effect's own tracer keeps none, and making one costs more than a statement does; so where
 * it is still in place, what runs for every row goes without. A host that brings a tracer sees every span.
 */
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"

const nobody = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** Whether the tracer of this fiber is another than Effect's own. */
export const isTraced = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  Context.get(fiber.currentDefaultServices, Tracer.Tracer) !== nobody

/** A span around what runs for every entity, or for every few. */
export const span =
  (name: string, attributes?: Record<string, unknown>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiberRuntime((fiber) =>
      isTraced(fiber) ? Effect.withSpan(effect, name, { attributes, captureStackTrace: false }) : effect,
    )
