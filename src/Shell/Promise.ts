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
import { unsafeCoerce } from "effect/Function"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Adopting, type RowOutcome } from "../Adopting.js"
import type { Entity } from "../Domain/Entity.js"
import * as Input from "../Domain/EntityInput.js"
import type { Job, QueueItem as FullQueueItem } from "../Domain/Job.js"
import type { InvalidAdapter } from "../Domain/Errors.js"
import type { Embedder } from "../Embedder.js"
import * as Functions from "../Embedder/Functions.js"
import { EmbeddingQueue } from "../EmbeddingQueue.js"
import * as EntityRegistry from "../EntityRegistry.js"
import { type BulkOutcome as FullBulkOutcome, EntityService } from "../EntityService.js"
import * as Shell from "../Shell.js"
import type * as Config from "./Config.js"
import * as Logging from "./Logging.js"
import * as Edge from "./Promise/Edge.js"
import * as Errors from "./Promise/Errors.js"
import type * as Interfaces from "./Promise/Interfaces.js"
import * as Life from "./Promise/Life.js"
import type * as Queue from "./Promise/QueueManagement.js"
import { load, type ShellOptions } from "./Promise/Settings.js"

// ---- values ------------------------------------------------------------------------------------------------

/** What a host says of its entities' types is its own word: nothing here could check it. */
const asSaid: <A>(value: unknown) => A = unsafeCoerce

const bulkOutcome = <A>(outcome: FullBulkOutcome<A, Errors.Failure>): Interfaces.BulkOutcome<A> =>
  Either.match(outcome, {
    onLeft: (failure) => ({ status: "rejected", reason: Errors.ofFailure(failure) }),
    onRight: (value) => ({ status: "fulfilled", value }),
  })

const keyOf = ({ entityId, entityType }: Interfaces.EntityKey) =>
  Either.all({ entityType: Input.entityType(entityType), entityId: Input.entityId(entityId) })

const jobOf = (job: Job): Omit<Queue.QueueItem, "entity"> => ({
  jobId: job.jobId,
  entityType: job.entityType,
  entityId: job.entityId,
  status: job.status,
  outcome: job.outcome,
  priority: job.priority,
  retryCount: job.retryCount,
  maxRetries: job.maxRetries,
  lastError: job.lastError,
  scheduledFor: job.scheduledFor,
  createdAt: job.createdAt,
  updatedAt: job.updatedAt,
  completedAt: job.completedAt,
})

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

const itemOf = <T extends Interfaces.BaseEntity>({
  content,
  job,
}: FullQueueItem<Entity>): Queue.QueueItem<T> => ({
  ...jobOf(job),
  entity: content === undefined ? undefined : asSaid<T>(content),
})

// ---- methods -----------------------------------------------------------------------------------------------

/** What the methods of a shell stand on. */
export type Needed = Shell.Foundation | Shell.Services | Life.Life

const queueOf = (context: Context.Context<Needed>, call: Edge.Edge<Needed>): Queue.QueueManagement => {
  const queue = Context.get(context, EmbeddingQueue)
  return {
    getStats: (options) => call(() => queue.getStats, options),
    cleanup: (olderThanMs, options) => call(() => queue.cleanup(olderThanMs), options),
    resetStuckJobs: (stuckAfterMs, options) => call(() => queue.resetStuckJobs(stuckAfterMs), options),
    retryFailed: (options) => call(() => queue.retryFailed(options), options),
    cancel: (jobId, options) => call(() => Effect.asVoid(queue.cancel(jobId)), options),
    pause: (options) => call(() => queue.pause, options),
    resume: (options) => call(() => queue.resume, options),
    getStatusByEntityId: <T extends Interfaces.BaseEntity>(
      entityId: string,
      entityType?: T["entityType"],
      options?: Interfaces.CallOptions,
    ) =>
      call(
        () =>
          Effect.map(
            queue.getStatusByEntityId(entityId, entityType),
            Option.match({ onNone: () => null, onSome: itemOf<T> }),
          ),
        options,
      ),
  }
}

/** The shell over a runtime whose scope it ends. */
const shellOf = (context: Context.Context<Needed>, edge: Edge.Edge<Needed>, close: () => Promise<void>) => {
  const entities = Context.get(context, EntityService)
  const adopting = Context.get(context, Adopting)
  const registry = Context.get(context, EntityRegistry.EntityRegistry)
  const life = Context.get(context, Life.Life)
  const call: Edge.Edge<Needed> = (effect, options) => edge(() => life.call(Effect.suspend(effect)), options)
  const wait: Edge.Edge<Needed> = (effect, options) => edge(() => life.wait(Effect.suspend(effect)), options)
  const stop = async () => {
    await edge(() => life.stop)
    await close()
  }
  let stopped: Promise<void> | undefined
  const shell: Interfaces.Shell = {
    createEntity: (entity, options) => call(() => entities.createEntity(entity), options),
    createEntityAsync: (entity, options) => call(() => entities.createEntityAsync(entity, options), options),
    createEntitySync: <T extends Interfaces.BaseEntity>(
      entity: Interfaces.NewEntity<T>,
      options?: Interfaces.CallOptions,
    ) => call(() => Effect.map(entities.createEntitySync(entity), asSaid<Interfaces.EntityView<T>>), options),
    createEntities: (given, options) =>
      call(
        () => Effect.map(entities.createEntities(given, options), (outcomes) => outcomes.map(bulkOutcome)),
        options,
      ),
    upsertEntity: (entity, options) => call(() => entities.upsertEntity(entity, options), options),
    upsertEntities: (given, options) =>
      call(
        () => Effect.map(entities.upsertEntities(given, options), (outcomes) => outcomes.map(bulkOutcome)),
        options,
      ),
    updateEntity: (entityId, patch, entityType, options) =>
      call(() => entities.updateEntity(entityId, patch, entityType), options),
    moveEntity: (from, to, options) =>
      call(
        () =>
          Effect.flatMap(Either.all([keyOf(from), keyOf(to)]), ([before, after]) =>
            entities.moveEntity(before, after),
          ),
        options,
      ),
    deleteEntity: (entityId, entityType, options) =>
      call(() => entities.deleteEntity(entityId, entityType), options),
    getEntity: <T extends Interfaces.BaseEntity>(
      entityId: string,
      entityType?: T["entityType"],
      options?: Interfaces.CallOptions,
    ) =>
      call(
        () => Effect.map(entities.getEntity(entityId, entityType), asSaid<Interfaces.EntityView<T>>),
        options,
      ),
    listEntities: <T extends Interfaces.BaseEntity>(options?: Interfaces.ListOptions) =>
      call(
        () => Effect.map(entities.listEntities(options), (all) => all.map(asSaid<Interfaces.EntityView<T>>)),
        options,
      ),
    search: (question, options) => call(() => entities.search(question, options), options),
    related: (entityId, options) => call(() => entities.related(entityId, options), options),
    getAsyncJobStatus: (jobId, options) =>
      call(
        () =>
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
        options,
      ),
    awaitJob: (jobId, options) =>
      wait(() => entities.awaitJob(jobId, { pollEvery: options?.pollEveryMs }), options),
    awaitSearchable: (jobId, timeoutMs, options) =>
      wait(() => entities.awaitSearchable(jobId, timeoutMs), options),
    indexStatus: (options) => call(() => entities.indexStatus, options),
    adopt: (file, table, options) =>
      wait(() => Stream.runFold(adopting.adopt(file, table, options), nothing, adoptionWith), options),
    registerEntityType: (entityType, options) => call(() => registry.register(entityType), options),
    queue: queueOf(context, call),
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
): Layer.Layer<Needed | R, E> =>
  Life.layer(Shell.background(settings), settings.drainTimeout).pipe(Layer.provideMerge(services))

/** A shell over a Layer, and its edge for whatever else that serves. */
export const open = async <R>(
  layer: Layer.Layer<Needed | R, Errors.Failure>,
  options?: Interfaces.CallOptions,
): Promise<{
  readonly shell: Interfaces.Shell
  readonly edge: Edge.Edge<Needed | R>
  readonly context: Context.Context<Needed | R>
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
  const settings = await Edge.run(load(options), options)
  const embedder: Layer.Layer<Embedder> | undefined =
    options.embedder === undefined ? undefined : Functions.layer(options.embedder)
  const registry: Layer.Layer<EntityRegistry.EntityRegistry, InvalidAdapter> | undefined =
    options.entityTypes === undefined ? undefined : EntityRegistry.layer(options.entityTypes)
  const { shell } = await open(
    Layer.provideMerge(
      layerOf(Shell.layerWithoutWorkerFrom({ settings, embedder, registry }), settings),
      Logging.layer(settings),
    ),
    options,
  )
  return shell
}
