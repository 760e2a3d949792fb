/**
 * Holds the signatures that hosts were written against: this file is compiled with all others, and what no longer
 * fits does not compile. What it runs is nothing but the proof that it is there.
 */
import { describe, expectTypeOf, it } from "vitest"
import type {
  AsyncJobStatus,
  BaseEntity,
  BulkOutcome,
  EmbedboxError,
  EndedJob,
  EntityView,
  NewEntity,
  QueueConfig,
  QueueManagement,
  SearchAnswer,
  Shell,
  WriteReceipt,
} from "embedbox/promise"
import { createShell } from "embedbox/promise"

interface Note extends BaseEntity {
  readonly entityType: "note"
  readonly metadata: { readonly title: string; readonly tags?: ReadonlyArray<string> }
}

interface Loose extends BaseEntity {
  readonly metadata: { readonly title?: string }
}

declare const shell: Shell
declare const note: Note

type Status = "pending" | "processing" | "completed" | "failed"

/** Compiled, and never called. */
const compiled = (_: () => unknown) => {}

describe("the types of a shell", () => {
  it("are those that hosts were written against", () => {
    expectTypeOf(createShell).returns.resolves.toEqualTypeOf<Shell>()
    expectTypeOf<Shell>().toExtend<AsyncDisposable>()

    expectTypeOf<Shell["createEntity"]>().returns.resolves.toEqualTypeOf<{
      readonly entityId: string
      readonly jobId: string
    }>()
    expectTypeOf<Shell["createEntityAsync"]>().returns.resolves.toEqualTypeOf<{
      readonly entityId: string
      readonly jobId: string
    }>()
    expectTypeOf<Shell["createEntityAsync"]>()
      .parameter(1)
      .toExtend<
        { readonly priority?: number | undefined; readonly maxRetries?: number | undefined } | undefined
      >()
    expectTypeOf<{ priority: number; maxRetries: number }>().toExtend<
      NonNullable<Parameters<Shell["createEntityAsync"]>[1]>
    >()
    expectTypeOf<AsyncJobStatus>().toEqualTypeOf<{
      readonly status: Status
      readonly entityId?: string
      readonly error?: string
    }>()
    expectTypeOf<Shell["getAsyncJobStatus"]>().returns.resolves.toEqualTypeOf<AsyncJobStatus | null>()
    expectTypeOf<Shell["awaitJob"]>().returns.resolves.toEqualTypeOf<EndedJob>()
    expectTypeOf<Shell["deleteEntity"]>().returns.resolves.toEqualTypeOf<void>()
    expectTypeOf<Shell["search"]>().returns.resolves.toEqualTypeOf<SearchAnswer>()
    expectTypeOf<Shell["queue"]>().toEqualTypeOf<QueueManagement>()

    expectTypeOf<QueueManagement["getStats"]>().returns.resolves.toEqualTypeOf<{
      readonly pending: number
      readonly processing: number
      readonly failed: number
      readonly completed: number
    }>()
    expectTypeOf<QueueManagement["cleanup"]>().parameter(0).toEqualTypeOf<number>()
    expectTypeOf<QueueManagement["cleanup"]>().returns.resolves.toEqualTypeOf<number>()
    expectTypeOf<QueueManagement["resetStuckJobs"]>().parameter(0).toEqualTypeOf<number | undefined>()
    expectTypeOf<QueueManagement["resetStuckJobs"]>().returns.resolves.toEqualTypeOf<number>()
    expectTypeOf<QueueManagement["retryFailed"]>().returns.resolves.toEqualTypeOf<number>()
    expectTypeOf<QueueManagement["pause"]>().returns.resolves.toEqualTypeOf<void>()
    expectTypeOf<QueueManagement["resume"]>().returns.resolves.toEqualTypeOf<void>()
    expectTypeOf<QueueConfig>().toEqualTypeOf<{
      readonly pollInterval: number
      readonly batchSize: number
      readonly maxProcessingTime: number
      readonly cleanupInterval: number
      readonly cleanupAge: number
    }>()
  })

  it("are generic over the host's entities", () => {
    compiled(async () => {
      expectTypeOf(await shell.getEntity<Note>("a")).toEqualTypeOf<EntityView<Note>>()
      expectTypeOf((await shell.getEntity<Note>("a", "note")).metadata.title).toEqualTypeOf<string>()
      expectTypeOf((await shell.getEntity("a")).metadata).toEqualTypeOf<{ readonly [key: string]: unknown }>()
      expectTypeOf(await shell.listEntities<Note>()).toEqualTypeOf<ReadonlyArray<EntityView<Note>>>()
      expectTypeOf(await shell.createEntitySync<Note>(note)).toEqualTypeOf<EntityView<Note>>()
      expectTypeOf(
        await shell.updateEntity<Note>("a", { metadata: { title: "A" } }),
      ).toEqualTypeOf<WriteReceipt>()
      expectTypeOf(await shell.createEntities<Note>([note])).toEqualTypeOf<
        ReadonlyArray<BulkOutcome<{ readonly entityId: string; readonly jobId: string }>>
      >()
      // A whole entity can be given again.
      await shell.upsertEntity(note)
      await shell.createEntity({ content: "x" })
      await shell.createEntity<Loose>({ content: "x" })
      // @ts-expect-error its type must be said
      await shell.createEntity<Note>({ content: "x", metadata: { title: "A" } })
      // @ts-expect-error so must its metadata
      await shell.createEntity<Note>({ content: "x", entityType: "note" })
      // @ts-expect-error another type of entity
      await shell.getEntity<Note>("a", "task")
      // @ts-expect-error no content
      await shell.createEntity({ id: "a" })
      // @ts-expect-error the file must be named
      await createShell({})
    })
    expectTypeOf<NewEntity<Note>>().toExtend<{
      readonly entityType: "note"
      readonly id?: string | undefined
    }>()
  })

  it("fit those of the platform", () => {
    expectTypeOf<BulkOutcome<string>>().toExtend<PromiseSettledResult<string>>()
    expectTypeOf<EmbedboxError>().toExtend<Error>()
    compiled(async () => {
      await using held = shell
      await held.start()
      await shell.search("x", { signal: AbortSignal.timeout(1) })
    })
  })
})
