/**
 * Receipts of a session: each stands above the prompt from the moment it was given, and turns into "embedded" where it
 * stands. What has ended stays there until something is printed, and then goes up with it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { span } from "../../Domain/Phrases.js"
import { clipped } from "../../Domain/Text.js"
import { EmbeddingQueue } from "../../EmbeddingQueue.js"
import { oneLine, Screen } from "../Screen.js"
import type { Prompt } from "./Prompt.js"

interface Receipt {
  readonly jobId: string
  /** What the note is called, for people. */
  readonly label: string
  readonly entityId: string
  readonly since: number
  readonly state: "waits" | "embedded" | "failed"
  /** How long it took, or why it failed. */
  readonly detail: string
}

export interface Receipts {
  readonly add: (receipt: {
    readonly jobId: string
    readonly entityId: string
    readonly label: string
  }) => Effect.Effect<void>
  /** What has ended, as lines to print; they are not shown here any more. */
  readonly takeEnded: Effect.Effect<ReadonlyArray<string>>
  /** How many wait. */
  readonly waiting: Effect.Effect<number>
}

/** How often jobs that another process may have are looked at. */
const lookEvery = "100 millis"

/** Jobs looked at in a turn, the oldest first. */
const glance = 20

/** Of what a note is called, in UTF-16 units. */
const longestLabel = 40

/** So many are shown, the newest; the others are counted. */
const shownMost = 8

export const make = (prompt: Prompt): Effect.Effect<Receipts, never, EmbeddingQueue | Screen | Scope.Scope> =>
  Effect.gen(function* () {
    const queue = yield* EmbeddingQueue
    const screen = yield* Screen
    const draw = yield* prompt.area
    const receipts = yield* Ref.make<ReadonlyArray<Receipt>>([])

    const lineOf = ({ detail, entityId, label, state }: Receipt) => {
      const name = `“${clipped(oneLine(label), longestLabel)}” ${screen.dim(oneLine(entityId))}`
      switch (state) {
        case "waits":
          return `${screen.yellow("○")} saved ${name} ${screen.dim("not embedded yet")}`
        case "embedded":
          return `${screen.green("●")} embedded ${name} ${screen.dim(detail)}`
        case "failed":
          return `${screen.red("●")} not embedded ${name}: ${detail}`
      }
    }

    const show = Effect.gen(function* () {
      const all = yield* Ref.get(receipts)
      const hidden = Math.max(0, all.length - shownMost)
      yield* draw([
        ...(hidden === 0 ? [] : [screen.dim(`  and ${hidden} before them`)]),
        ...all.slice(hidden).map(lineOf),
      ])
    })

    const look = Effect.gen(function* () {
      const open = (yield* Ref.get(receipts)).filter(({ state }) => state === "waits").slice(0, glance)
      if (open.length === 0) return
      const now = yield* Clock.currentTimeMillis
      const ended = new Map<string, Pick<Receipt, "state" | "detail">>()
      for (const { jobId, since } of open) {
        const found = Option.map(yield* queue.getJob(jobId), ({ job }) => job)
        // A receipt that was cleared away belongs to a job that completed.
        const status = Option.match(found, { onNone: () => "completed", onSome: (job) => job.status })
        if (status === "completed") ended.set(jobId, { state: "embedded", detail: `in ${span(now - since)}` })
        if (status === "failed") {
          const reason = Option.getOrUndefined(found)?.lastError ?? "unknown"
          ended.set(jobId, { state: "failed", detail: `${oneLine(reason)} (/retry ${jobId})` })
        }
      }
      if (ended.size === 0) return
      yield* Ref.update(receipts, (all) =>
        all.map((receipt) => ({ ...receipt, ...ended.get(receipt.jobId) })),
      )
      yield* show
    }).pipe(Effect.catchAll((error) => Effect.logDebug("receipts cannot be looked at", error)))

    yield* Effect.forkScoped(Effect.schedule(look, Schedule.spaced(lookEvery)))

    return {
      add: ({ entityId, jobId, label }) =>
        Effect.gen(function* () {
          const since = yield* Clock.currentTimeMillis
          yield* Ref.update(
            receipts,
            (all): ReadonlyArray<Receipt> => [
              ...all,
              { jobId, entityId, label, since, state: "waits", detail: "" },
            ],
          )
          yield* show
        }),
      takeEnded: Effect.gen(function* () {
        const ended = (yield* Ref.get(receipts)).filter(({ state }) => state !== "waits")
        if (ended.length === 0) return []
        yield* Ref.update(receipts, (all) => all.filter(({ state }) => state === "waits"))
        yield* show
        return ended.map(lineOf)
      }),
      waiting: Effect.map(Ref.get(receipts), (all) => all.filter(({ state }) => state === "waits").length),
    }
  })
