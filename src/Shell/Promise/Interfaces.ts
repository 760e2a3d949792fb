/**
 * What a shell is to a host that does not use Effect: plain interfaces with the names and shapes of the blocking service
 * that they take the place of, so that a host changes its imports first and its habits later. Methods follow
 * three rules: ids come first and the type of an entity after them; the last argument is an object of options, which
 * always takes a `signal`; times and durations are numbers of milliseconds. An answer that is no fault is a value
 * (`null` for a job that nobody knows); everything else rejects with an `EmbedboxError`. Types are the host's to
 * name: `T` is what it says of its own entities, which is checked by the compiler only.
 */
import type { Mapping } from "../../Adopting/Mapping.js"
import type { JobStatus, Outcome } from "../../Domain/Job.js"
import type * as Domain from "../../Domain/Search.js"
import type { IndexStatus as FullIndexStatus } from "../../EntityService.js"
import type {
  BaseEntity,
  CallOptions,
  EmbeddingState,
  EntityKey,
  EntityPatch,
  EntityView,
  NewEntity,
} from "./Basics.js"
import type { AnyEntityType } from "./EntityTypes.js"
import type { EmbedboxError } from "./Errors.js"
import type { QueueManagement } from "./QueueManagement.js"

export type * from "./Basics.js"

// ---- options -----------------------------------------------------------------------------------------------

/** What a caller may say about the job of a write. */
export interface CreateOptions extends CallOptions {
  /** The higher number goes first. Default 0. */
  readonly priority?: number | undefined
  /** Attempts beyond the first. Default 3. */
  readonly maxRetries?: number | undefined
  /** The batch that its job belongs to: what was written together is followed together. */
  readonly batchId?: string | undefined
}

/** The same for many writes. */
export interface UpsertOptions extends CreateOptions {
  /** What becomes of metadata that an input does not speak of. Default `replace`: it goes. */
  readonly metadata?: "replace" | "merge" | undefined
}

/** Which entities are listed: pages are in the order of (type, id). */
export interface ListOptions extends CallOptions {
  /** Only these types; all when absent or empty. */
  readonly entityTypes?: ReadonlyArray<string> | undefined
  /** Continue after this key. */
  readonly after?: EntityKey | undefined
  /** Default 100, at most 1000. */
  readonly limit?: number | undefined
}

/** How a question is asked. */
export interface SearchOptions extends Domain.SearchOptions, CallOptions {}

/** What is wanted of the neighbours of an entity. */
export interface RelatedOptions extends Domain.RelatedOptions, CallOptions {}

/** How the end of a job is waited for. */
export interface AwaitOptions extends CallOptions {
  /** How often a job that another process may end is asked after, in milliseconds. Default 250. */
  readonly pollEveryMs?: number | undefined
}

/** How a table is brought in. */
export interface AdoptOptions extends CallOptions {
  /**
   * From the first row, also where rows have been brought in before; what differs here is replaced, also where it was
   * changed here, and what was deleted here comes back. Default false.
   */
  readonly again?: boolean | undefined
}

// ---- answers -----------------------------------------------------------------------------------------------

/** What a caller holds after a write: which entity, and the job that embeds it. */
export interface Receipt {
  readonly entityId: string
  readonly jobId: string
}

/** What became of the rows of a table, in this call. */
export interface Adoption {
  /** Rows that are entities now. */
  readonly saved: number
  /** Rows that were the same entities before. */
  readonly unchanged: number
  /** Rows, by their keys in the table, that were brought in before and whose entity was changed or deleted here since: that stays. */
  readonly kept: ReadonlyArray<{ readonly key: string; readonly because: "changed" | "deleted" }>
  /** Rows that are no entities, by their keys in the table, and why; the next call looks at them again. */
  readonly skipped: ReadonlyArray<{ readonly key: string; readonly reason: string }>
}

/** A receipt that also says what the write did. */
export interface WriteReceipt extends Receipt {
  readonly change: "created" | "updated" | "unchanged"
  /** Of the entity as it is now. */
  readonly contentHash: string
}

/** What became of one entity among many, in the shape of `Promise.allSettled`. */
export type BulkOutcome<A> =
  | { readonly status: "fulfilled"; readonly value: A }
  | { readonly status: "rejected"; readonly reason: EmbedboxError }

/** How a job stands. `error`: why it failed, why its last attempt did, or why it waits where the model cannot be asked. */
export interface AsyncJobStatus {
  readonly status: JobStatus
  readonly entityId?: string
  readonly error?: string
}

/** A job that has completed. */
export interface EndedJob extends EntityKey {
  readonly jobId: string
  readonly outcome: Outcome | null
}

/** An entity that was found. */
export interface SearchResult extends Omit<Domain.SearchResult, "entityType" | "entityId" | "embedding"> {
  readonly entityType: string
  readonly entityId: string
  readonly embedding: EmbeddingState
}

/** What a question found, and what it could not see. */
export interface SearchAnswer extends Omit<Domain.SearchAnswer, "results"> {
  readonly results: ReadonlyArray<SearchResult>
}

/** How much of what was saved is found by meaning, and when the rest will be. */
export interface IndexStatus extends Omit<FullIndexStatus, "searched" | "configured"> {
  /** Names of the vectors that are searched, and of those that the configured model makes. */
  readonly searched: string
  readonly configured: string
}

// ---- the shell ---------------------------------------------------------------------------------------------

/** Saves entities at once, embeds them in the background, finds them by meaning and by words. */
export interface Shell extends AsyncDisposable {
  /** Saves a new entity and answers in milliseconds; its embedding comes later. */
  readonly createEntity: <T extends BaseEntity = BaseEntity>(
    entity: NewEntity<T>,
    options?: CallOptions,
  ) => Promise<Receipt>
  /** The same, with a say in priority and retries. */
  readonly createEntityAsync: <T extends BaseEntity = BaseEntity>(
    entity: NewEntity<T>,
    options?: CreateOptions,
  ) => Promise<Receipt>
  /**
   * Embeds inline and answers the stored entity; nothing is stored when that fails.
   * @deprecated Its caller waits for as long as the model takes. Prefer `createEntity`, with `awaitJob` where the
   * embedding must be there.
   */
  readonly createEntitySync: <T extends BaseEntity = BaseEntity>(
    entity: NewEntity<T>,
    options?: CallOptions,
  ) => Promise<EntityView<T>>
  /** Saves many new entities, in their order, waiting for room where the queue is full. Answers for each. */
  readonly createEntities: <T extends BaseEntity = BaseEntity>(
    entities: ReadonlyArray<NewEntity<T>>,
    options?: CreateOptions,
  ) => Promise<ReadonlyArray<BulkOutcome<Receipt>>>
  /** Creates or replaces, as imports do. A write that changes nothing is `unchanged`. */
  readonly upsertEntity: <T extends BaseEntity = BaseEntity>(
    entity: NewEntity<T>,
    options?: CreateOptions,
  ) => Promise<WriteReceipt>
  /** The same for many; answers for each. */
  readonly upsertEntities: <T extends BaseEntity = BaseEntity>(
    entities: ReadonlyArray<NewEntity<T>>,
    options?: UpsertOptions,
  ) => Promise<ReadonlyArray<BulkOutcome<WriteReceipt>>>
  /** Changes some fields of an entity that exists. */
  readonly updateEntity: <T extends BaseEntity = BaseEntity>(
    entityId: string,
    patch: EntityPatch<T>,
    entityType?: T["entityType"],
    options?: CallOptions,
  ) => Promise<WriteReceipt>
  /** Gives an entity another key; its vectors stay. */
  readonly moveEntity: (from: EntityKey, to: EntityKey, options?: CallOptions) => Promise<Receipt>
  /** Removes the entity everywhere and ends its jobs. */
  readonly deleteEntity: (entityId: string, entityType?: string, options?: CallOptions) => Promise<void>
  /** The newest version, also while it waits for its embedding. Without its type, an id that several types share rejects. */
  readonly getEntity: <T extends BaseEntity = BaseEntity>(
    entityId: string,
    entityType?: T["entityType"],
    options?: CallOptions,
  ) => Promise<EntityView<T>>
  /** A page of entities, in the order of (type, id). */
  readonly listEntities: <T extends BaseEntity = BaseEntity>(
    options?: ListOptions,
  ) => Promise<ReadonlyArray<EntityView<T>>>
  /** Finds by meaning and by words; the answer says what still waits and could not be seen. */
  readonly search: (question: string, options?: SearchOptions) => Promise<SearchAnswer>
  /** Entities like this one, by their stored vectors; asks no model. */
  readonly related: (entityId: string, options?: RelatedOptions) => Promise<SearchAnswer>
  /** How a job stands; `null` when its id is unknown, or its receipt was cleaned up. */
  readonly getAsyncJobStatus: (jobId: string, options?: CallOptions) => Promise<AsyncJobStatus | null>
  /**
   * Waits until the job, or the one that took its place, has ended, whichever process ends it. Rejects with
   * `JobFailedError` where it failed. Without a signal it waits for as long as it takes.
   */
  readonly awaitJob: (jobId: string, options?: AwaitOptions) => Promise<EndedJob>
  /** Waits until what the job saved is found by meaning, but not longer than this: then `NotSearchableError`. */
  readonly awaitSearchable: (jobId: string, timeoutMs: number, options?: CallOptions) => Promise<EndedJob>
  /** How much of what was saved is found by meaning, and when the rest will be. */
  readonly indexStatus: (options?: CallOptions) => Promise<IndexStatus>

  /**
   * Brings in the rows of a table that the host had before: those that were left out before, and those behind what an earlier
   * call with the same mapping brought in; reads and writes go on meanwhile, and the embedding goes on in the background. A
   * stop or the signal ends it behind a row, and the next call goes on there. Without `again` no entity is replaced but one
   * that this table brought and that is still as it was brought, and none that was deleted here comes back.
   */
  readonly adopt: (file: string, mapping: Mapping, options?: AdoptOptions) => Promise<Adoption>
  /** From now on there are entities of this type, as of those that the shell was opened with. */
  readonly registerEntityType: (entityType: AnyEntityType, options?: CallOptions) => Promise<void>
  /** Care for the queue. */
  readonly queue: QueueManagement

  /**
   * Begins to embed what waits, here; once. Reads and writes need no start: a process that only saves leaves the
   * embedding to another one on the same database.
   */
  readonly start: () => Promise<void>
  /**
   * Takes no more calls, finishes what is in hand within `drainTimeout`, gives the rest back uncounted, and closes the
   * database; once. What waits is embedded after the next start. Calls that were under way end first; those that
   * cannot, such as waits for jobs, reject with `ShellStoppedError`.
   */
  readonly stop: () => Promise<void>
}
