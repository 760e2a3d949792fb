/** The words of the commands on jobs: seeing them, trying them again, stopping them. */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import { id, json, limit, type, wait } from "./CommonOptions.js"
import * as Words from "./Words.js"

const fault = (what: string) =>
  Options.choice("fault", ["item", "provider", "host"]).pipe(Options.withDescription(what), Options.optional)

export const jobs = Words.make(
  "jobs",
  {
    failed: Options.boolean("failed").pipe(Options.withDescription("Only those that failed.")),
    status: Options.choice("status", ["pending", "processing", "completed", "failed"]).pipe(
      Options.withDescription("Only those that stand so."),
      Options.optional,
    ),
    type: type.pipe(Options.withDescription("Only those of notes of this type."), Options.optional),
    fault: fault("Only those whose last failure was the fault of this one."),
    limit: limit(1000, 20),
    json,
  },
  {
    usage: "jobs",
    meaning: "List jobs, newest first. --failed shows what failed, and why.",
    examples: [
      ["jobs --failed", "what failed, and why"],
      ["jobs --status pending --limit 100 --json", "what waits, for a script"],
    ],
  },
  () => import("./Jobs.js"),
)

export const job = Words.make(
  "job",
  {
    id: id("id").pipe(Args.withDescription("The jobId that a write answered with.")),
    wait: wait("Embed here and now what others do not, and end when this job has ended."),
    json,
  },
  {
    usage: "job <jobId>",
    meaning: "How the embedding of a note stands. --wait stays until it ends.",
    examples: [["job 0192f3c4-… --wait", "end when that note can be found by meaning"]],
  },
  () => import("./Job.js"),
)

export const retry = Words.make(
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
  {
    usage: "retry <jobId|--all>",
    meaning: "Try failed jobs again: one, some or all.",
    examples: [
      ["retry --all", "whatever failed, with fresh attempts"],
      ['retry --error "HTTP 429"', "only what failed for that reason"],
    ],
  },
  () => import("./Retry.js"),
)

export const cancel = Words.make(
  "cancel",
  { id: id("jobId").pipe(Args.withDescription("The job to stop; its note is kept.")), json },
  {
    usage: "cancel <jobId>",
    meaning: "Stop the embedding of a note; the note is kept.",
    examples: [["cancel 0192f3c4-…", "the note is still found by its words"]],
  },
  () => import("./Cancel.js"),
)

const switched = <Name extends "pause" | "resume">(name: Name, told: Words.Told) =>
  Words.make(name, { json }, told, () =>
    import("./Pause.js").then(({ run }) => ({
      run: (given: { readonly json: boolean }) =>
        Effect.suspend(() => run({ ...given, paused: name === "pause" })),
    })),
  )

export const pause = switched("pause", {
  usage: "pause",
  meaning: "Let no process take another job. What is in hand goes on.",
  examples: [["pause", "for every process, and across restarts, until `embedbox resume`"]],
})

export const resume = switched("resume", {
  usage: "resume",
  meaning: "Let jobs be taken again.",
  examples: [["resume", "go on after `embedbox pause`"]],
})
