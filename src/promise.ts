/**
 * For hosts that do not use Effect: `createShell`, and the types and errors of what it answers.
 *
 * @example
 * import { createShell, EmbedboxError } from "embedbox/promise"
 *
 * await using shell = await createShell({ database: "notes.sqlite" })
 * await shell.start()
 * try {
 *   await shell.createEntity({ id: "bread", content: "# Bread\nFlour, water, salt." })
 * } catch (error) {
 *   if (!(error instanceof EmbedboxError) || error.code !== "ENTITY_ALREADY_EXISTS") throw error
 * }
 * const { results, pending } = await shell.search("how do I bake")
 * console.log(results.map(({ title }) => title), `${pending} are still being embedded`)
 */
export { createShell } from "./Shell/Promise.js"
export { defineEntityType } from "./Shell/Promise/EntityTypes.js"
export type { AnyEntityType, EntityTypeDefinition, EntityTypeOf } from "./Shell/Promise/EntityTypes.js"
export {
  AdoptionRefusedError,
  AmbiguousEntityIdError,
  EmbedboxError,
  EmbeddingFailedError,
  EntityAlreadyExistsError,
  EntityNotFoundError,
  InternalError,
  InvalidAdapterError,
  InvalidEntityError,
  InvalidSettingsError,
  JobFailedError,
  JobNotFoundError,
  NotSearchableError,
  QueueFullError,
  ShellStoppedError,
  StorageFailedError,
} from "./Shell/Promise/Errors.js"
export type { ErrorCode, ErrorFault } from "./Shell/Promise/Errors.js"
export type * from "./Shell/Promise/Interfaces.js"
export type * from "./Shell/Promise/QueueManagement.js"
export type { QueueConfig, ShellOptions } from "./Shell/Promise/Settings.js"
export type { Mapping } from "./Adopting/Mapping.js"
export type { Fault } from "./Domain/Errors.js"
export type { JobStatus, Outcome, QueueStats } from "./Domain/Job.js"
export type { EntityFilter, Explanation, Scalar, SearchMode, TimeRange } from "./Domain/Search.js"
export type { EmbeddingCall, EmbeddingService } from "./Embedder/Functions.js"
