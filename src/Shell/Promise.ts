/**
 * The shell for hosts that do not use Effect: one function, which opens a database and answers an object of methods that
 * return promises. It is built on `ManagedRuntime` and has no logic of its own. Each method is one of a service's,
 * run at the `Edge`, counted in by `Life`, its values named by `Interfaces`, its failures by `Errors`, and what
 * the host says of its settings is read by `Settings`. Opening and starting are two things because hosts are: a
 * web process that only saves must not pay for a model, and a test wants to look before anything moves.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Adopting, type RowOutcome } from "../Adopting.js"
import * as Input from "../Domain/EntityInput.js"
import * as Given from "../Domain/Given.js"
import type { InvalidAdapter } from "../Domain/Errors.js"
import type { Embedder } from "../Embedder.js"
import * as Functions from "../Embedder/Functions.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import * as EntityRegistry from "../EntityRegistry.js"
import { type BulkOutcome as FullBulkOutcome, EntityService } from "../EntityService.js"
import * as Shell from "../Shell.js"
import type * as Config from "./Config.js"
import * as Logging from "./Logging.js"
import * as Arguments from "./Promise/Arguments.js"
import * as Calls from "./Promise/Calls.js"
import * as Edge from "./Promise/Edge.js"
import * as Errors from "./Promise/Errors.js"
import type { AnyEntityType } from "./Promise/EntityTypes.js"
import type * as Interfaces from "./Promise/Interfaces.js"
import * as Keeping from "./Promise/Keeping.js"
import * as Life from "./Promise/Life.js"
import { load, type ShellOptions } from "./Promise/Settings.js"

// ---- values ------------------------------------------------------------------------------------------------

const bulkOutcome = <A>(outcome: FullBulkOutcome<A, Errors.Failure>): Interfaces.BulkOutcome<A> =>
  Either.match(outcome, {
    onLeft: (failure) => ({ status: "rejected", reason: Errors.ofFailure(failure) }),
    onRight: (value) => ({ status: "fulfilled", value }),
  })

const keyOf = ({ entityId, entityType }: Interfaces.EntityKey) =>
  Either.all({ entityType: Input.entityType(entityType), entityId: Input.entityId(entityId) })

const nothing: Interfaces.Adoption = { saved: 0, unchanged: 0, kept: [], skipped: [] }

const adoptionWith = (sum: Interfaces.Adoption, outcome: RowOutcome): Interfaces.Adoption => {
  const { key } = outcome
  switch (outcome._tag) {
    case "Saved":
      return outcome.change === "unchanged"
        ? { ...sum, unchanged: sum.unchanged + 1 }
        : { ...sum, saved: sum.saved + 1 }
    case "Kept":
      return { ...sum, kept: [...sum.kept, { key, because: outcome.because }] }
    case "Skipped":
      return { ...sum, skipped: [...sum.skipped, { key, reason: outcome.reason }] }
  }
}

// ---- methods -----------------------------------------------------------------------------------------------

/** The shell over a runtime whose scope it ends. */
const shellOf = (
  context: Context.Context<Calls.Needed>,
  edge: Edge.Edge<Calls.Needed>,
  close: () => Promise<void>,
) => {
  const entities = Context.get(context, EntityService)
  const adopting = Context.get(context, Adopting)
  const registry = Context.get(context, EntityRegistry.EntityRegistry)
  const life = Context.get(context, Life.Life)
  const told = Calls.told(edge, life.call)
  const toldWait = Calls.told(edge, life.wait)
  const call = Calls.plain(told)
  const wait = Calls.plain(toldWait)
  const stop = async () => {
    await edge(() => life.stop)
    await close()
  }
  let stopped: Promise<void> | undefined
  const shell: Interfaces.Shell = {
    createEntity: (entity, options) => call(() => entities.createEntity(entity), options),
    createEntityAsync: (entity, options) => told((said) => entities.createEntityAsync(entity, said), options),
    createEntitySync: <T extends Interfaces.BaseEntity>(
      entity: Interfaces.NewEntity<T>,
      options?: Interfaces.CallOptions,
    ) =>
      call(
        () => Effect.map(entities.createEntitySync(entity), Calls.asSaid<Interfaces.EntityView<T>>),
        options,
      ),
    createEntities: (given, options) =>
      told(
        (said = {}) =>
          Effect.gen(function* () {
            yield* Arguments.ofMany({ entities: given })
            const outcomes = yield* entities.createEntities(given, yield* Given.createOptions(said))
            return outcomes.map(bulkOutcome)
          }),
        options,
      ),
    upsertEntity: (entity, options) => told((said) => entities.upsertEntity(entity, said), options),
    upsertEntities: (given, options) =>
      told(
        (said = {}) =>
          Effect.gen(function* () {
            yield* Arguments.ofMany({ entities: given })
            const outcomes = yield* entities.upsertEntities(given, yield* Given.upsertOptions(said))
            return outcomes.map(bulkOutcome)
          }),
        options,
      ),
    updateEntity: (entityId, patch, entityType, options) =>
      call(
        () =>
          Effect.flatMap(Arguments.ofEntity({ entityId, entityType }), () =>
            entities.updateEntity(entityId, patch, entityType),
          ),
        options,
      ),
    moveEntity: (from, to, options) =>
      call(
        () =>
          Effect.gen(function* () {
            yield* Arguments.ofMove({ from, to })
            return yield* entities.moveEntity(yield* keyOf(from), yield* keyOf(to))
          }),
        options,
      ),
    deleteEntity: (entityId, entityType, options) =>
      call(
        () =>
          Effect.flatMap(Arguments.ofEntity({ entityId, entityType }), () =>
            entities.deleteEntity(entityId, entityType),
          ),
        options,
      ),
    getEntity: <T extends Interfaces.BaseEntity>(
      entityId: string,
      entityType?: T["entityType"],
      options?: Interfaces.CallOptions,
    ) =>
      call(
        () =>
          Effect.flatMap(Arguments.ofEntity({ entityId, entityType }), () =>
            Effect.map(entities.getEntity(entityId, entityType), Calls.asSaid<Interfaces.EntityView<T>>),
          ),
        options,
      ),
    listEntities: <T extends Interfaces.BaseEntity>(options?: Interfaces.ListOptions) =>
      told(
        (said) =>
          Effect.map(entities.listEntities(said), (all) => all.map(Calls.asSaid<Interfaces.EntityView<T>>)),
        options,
      ),
    search: (question, options) => told((said) => entities.search(question, said), options),
    related: (entityId, options) =>
      told(
        (said) => Effect.flatMap(Arguments.ofEntity({ entityId }), () => entities.related(entityId, said)),
        options,
      ),
    getAsyncJobStatus: (jobId, options) =>
      call(
        () =>
          Effect.flatMap(Arguments.ofJob({ jobId }), () =>
            Effect.map(
              entities.getAsyncJobStatus(jobId),
              Option.match({
                onNone: () => null,
                onSome: ({ entityId, error, status }) => ({
                  status,
                  entityId,
                  ...(error === undefined ? {} : { error }),
                }),
              }),
            ),
          ),
        options,
      ),
    awaitJob: (jobId, options) =>
      toldWait(
        (said = {}) =>
          Effect.gen(function* () {
            yield* Arguments.ofJob({ jobId })
            const { pollEveryMs } = yield* Arguments.ofAwait(said)
            return yield* Effect.catchTag(
              entities.awaitJob(jobId, { pollEvery: pollEveryMs }),
              "InsideTransaction",
              Effect.die,
            )
          }),
        options,
      ),
    awaitSearchable: (jobId, timeoutMs, options) =>
      wait(
        () =>
          Effect.flatMap(Arguments.ofWait({ jobId, timeoutMs }), () =>
            // Promises open no transactions.
            Effect.catchTag(entities.awaitSearchable(jobId, timeoutMs), "InsideTransaction", Effect.die),
          ),
        options,
      ),
    indexStatus: (options) => call(() => entities.indexStatus, options),
    adopt: (file, mapping, options) =>
      toldWait(
        (said = {}) =>
          Effect.gen(function* () {
            yield* Arguments.ofAdoption({ file, mapping })
            const how = yield* Arguments.ofAdopt(said)
            return yield* Stream.runFold(adopting.adopt(file, mapping, how), nothing, adoptionWith)
          }),
        options,
      ),
    registerEntityType: (entityType, options) => call(() => registry.register(entityType), options),
    queue: Keeping.make(Context.get(context, EmbeddingQueue), call, told),
    start: () => edge(() => life.start),
    stop: () => (stopped ??= stop()),
    [Symbol.asyncDispose]: () => shell.stop(),
  }
  return shell
}

// ---- opening -----------------------------------------------------------------------------------------------

/** Everything but the worker, and what begins it. */
export const layerOf = <R, E>(
  services: Layer.Layer<Shell.Foundation | Shell.Services | R, E>,
  settings: Config.Settings,
): Layer.Layer<Calls.Needed | R, E> =>
  Life.layer(Shell.background(settings), settings.drainTimeout).pipe(Layer.provideMerge(services))

/** The types of entities that a host names; any where it names none. */
export const registryOf = (
  entityTypes: ReadonlyArray<AnyEntityType> | undefined,
): Layer.Layer<EntityRegistry.EntityRegistry, InvalidAdapter> | undefined =>
  entityTypes === undefined ? undefined : EntityRegistry.layer(entityTypes)

/** A shell over a Layer, and its edge for whatever else that serves. */
export const open = async <R>(
  layer: Layer.Layer<Calls.Needed | R, Errors.Failure>,
  options?: Interfaces.CallOptions,
): Promise<{
  readonly shell: Interfaces.Shell
  readonly edge: Edge.Edge<Calls.Needed | R>
  readonly context: Context.Context<Calls.Needed | R>
}> => {
  const managed = ManagedRuntime.make(layer)
  const close = () => managed.dispose()
  try {
    const runtime = await Edge.run(managed.runtimeEffect, options)
    const edge = Edge.make(runtime)
    return { shell: shellOf(runtime.context, edge, close), edge, context: runtime.context }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Opens a database (it is made, or brought up to date, where needed) and answers the shell on it. It reads and writes at
 * once; `start` begins to embed. Rejects with `InvalidSettingsError`, with `InvalidAdapterError` for a
 * type of entity that does not work, or with `StorageFailedError` where the database cannot be opened.
 *
 * @example
 * import { createShell } from "embedbox/promise"
 *
 * await using shell = await createShell({ database: "notes.sqlite" })
 * await shell.start()
 *
 * const { jobId } = await shell.createEntity({ content: "# Bread\nFlour, water, salt." }) // milliseconds
 * await shell.awaitJob(jobId)
 * const { results } = await shell.search("how do I bake")
 * console.log(results.map(({ title }) => title))
 */
export const createShell = async (options: ShellOptions): Promise<Interfaces.Shell> => {
  const settings = await Edge.run(load(options))
  const embedder: Layer.Layer<Embedder> | undefined =
    options.embedder === undefined ? undefined : Functions.layer(options.embedder)
  const { shell } = await open(
    Layer.provideMerge(
      layerOf(
        Shell.layerWithoutWorkerFrom({ settings, embedder, registry: registryOf(options.entityTypes) }),
        settings,
      ),
      Logging.layer(settings),
    ),
    options,
  )
  return shell
}
