/**
 * The words of the commands on jobs: seeing them, trying them again, stopping them. As in `Commands`, what they do is
 * in a module each, imported when the command runs.
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { id, json, type } from "./CommonOptions.js"

const fault = (what: string) =>
  Options.choice("fault", ["item", "provider", "host"]).pipe(Options.withDescription(what), Options.optional)

const jobs = Command.make(
  "jobs",
  {
    failed: Options.boolean("failed").pipe(Options.withDescription("Only those that failed.")),
    status: Options.choice("status", ["pending", "processing", "completed", "failed"]).pipe(
      Options.withDescription("Only those that stand so."),
      Options.optional,
    ),
    type: type.pipe(Options.withDescription("Only those of notes of this type."), Options.optional),
    fault: fault("Only those whose last failure was the fault of this one."),
    limit: Options.integer("limit").pipe(
      Options.withSchema(
        Schema.Int.pipe(Schema.between(1, 1000, { message: () => "--limit takes 1 to 1000" })),
      ),
      Options.withDescription("At most this many, 1 to 1000 (default: 20)."),
      Options.withDefault(20),
    ),
    json,
  },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Jobs.js")),
      ({ run }) => run(given),
    ),
).pipe(Command.withDescription("List jobs, newest first, with the reason where one failed."))

const retry = Command.make(
  "retry",
  {
    id: id("jobId").pipe(Args.withDescription("One job, also one that was cancelled."), Args.optional),
    all: Options.boolean("all").pipe(Options.withDescription("All that failed.")),
    type: type.pipe(
      Options.withDescription("Those of notes of this type. These can be combined."),
      Options.optional,
    ),
    fault: fault("Those whose last failure was the fault of this one."),
    error: Options.text("error").pipe(
      Options.withPseudoName("text"),
      Options.withDescription("Those whose last error contains this text."),
      Options.optional,
    ),
    cancelled: Options.boolean("cancelled").pipe(
      Options.withDescription("Those that were cancelled, which are left alone otherwise."),
    ),
    json,
  },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Retry.js")),
      ({ run }) => run(given),
    ),
).pipe(Command.withDescription("Try failed jobs again: one, some or all."))

const cancel = Command.make(
  "cancel",
  { id: id("jobId").pipe(Args.withDescription("The job to stop; its note is kept.")), json },
  (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Cancel.js")),
      ({ run }) => run(given),
    ),
).pipe(Command.withDescription("Stop the embedding of a note. The note is kept, and found by words."))

const switched = (name: "pause" | "resume", description: string) =>
  Command.make(name, { json }, (given) =>
    Effect.flatMap(
      Effect.promise(() => import("./Pause.js")),
      ({ run }) => run({ ...given, paused: name === "pause" }),
    ),
  ).pipe(Command.withDescription(description))

const pause = switched("pause", "Let no process take another job. What is in hand goes on.")
const resume = switched("resume", "Let jobs be taken again.")

export const all = [jobs, retry, cancel, pause, resume] as const

/** Options that take no value. */
export const switches: ReadonlyArray<string> = ["--failed", "--all", "--cancelled"]

/** A line of the overview: what is written, and what it does. */
export interface Summary {
  readonly usage: string
  readonly meaning: string
}

export const summaries: ReadonlyArray<Summary> = [
  { usage: "jobs", meaning: "List jobs, newest first. --failed shows what failed, and why." },
  { usage: "retry <jobId|--all>", meaning: "Try failed jobs again: one, some or all." },
  { usage: "cancel <jobId>", meaning: "Stop the embedding of a note; the note is kept." },
  { usage: "pause, resume", meaning: "Let no process take a job; let them again." },
]
