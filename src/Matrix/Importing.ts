/**
 * `!import`, after it was answered: beside all other commands, one at a time, and gone on with after a restart. Files are
 * written by `DirectorySync`; what became of them is counted in groups, each in one transaction with the jobs that are
 * to be followed, so a run that was cut off is repeated (what is there already costs nothing) and counted once.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { DirectorySync, type FileOutcome } from "../DirectorySync.js"
import { EntityService } from "../EntityService.js"
import type { Account } from "./Account.js"
import type { Answer, AnswerRows, Import } from "./AnswerRows.js"
import type { Following } from "./Following.js"

/** Files that are counted together, and reasons that are kept for the report. */
const group = 50
const mostReasons = 5

/** How often it looks, though nobody has said that there is something to import. */
const backstop = "30 seconds"

/** As what each is told: a note that was renamed has changed. */
const changes = {
  created: "created",
  updated: "updated",
  moved: "updated",
  unchanged: "unchanged",
  kept: "unchanged",
} as const

const countOf = (facts: Import) => facts.created + facts.updated + facts.unchanged + facts.skipped

const counted = (facts: Import, outcome: FileOutcome): Import => {
  if (outcome._tag === "Skipped") {
    const reason = `${outcome.path}: ${outcome.reason}`
    return {
      ...facts,
      skipped: facts.skipped + 1,
      reasons: facts.reasons.length < mostReasons ? [...facts.reasons, reason.slice(0, 300)] : facts.reasons,
    }
  }
  const change = changes[outcome.change]
  return { ...facts, [change]: facts[change] + 1 }
}

export const make = ({
  account,
  answers,
  following,
  news,
}: {
  readonly account: Account
  readonly answers: AnswerRows
  readonly following: Following
  /** Opened when an import was asked for. */
  readonly news: Effect.Latch
}) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const directory = yield* DirectorySync

    /** What embeds a file, where that is still to come. */
    const jobOf = (outcome: FileOutcome) =>
      outcome._tag === "Skipped"
        ? Effect.succeedNone
        : Effect.map(service.getAsyncJobStatus(outcome.jobId), (known) =>
            Option.isSome(known) && known.value.status !== "completed"
              ? Option.some(outcome.jobId)
              : outcome.change === "unchanged" || outcome.change === "kept"
                ? Option.none()
                : // It has ended already: it counts all the same.
                  Option.some(outcome.jobId),
          )

    const learn = (answer: number, outcomes: ReadonlyArray<FileOutcome>, end?: string | null) =>
      account.write(
        Effect.gen(function* () {
          const row = Option.getOrUndefined(yield* answers.get(answer))
          if (row === undefined || row.facts.kind !== "import") return
          const facts = outcomes.reduce(counted, row.facts)
          const jobs = (yield* Effect.forEach(outcomes, jobOf)).flatMap(Option.toArray)
          yield* Effect.forEach(jobs, (jobId) => answers.follow(answer, jobId), { discard: true })
          yield* answers.learn(
            answer,
            end === undefined ? facts : { ...facts, broken: end },
            end === undefined,
          )
          yield* following.refresh(answer)
        }),
      )

    const run = ({ answer, facts }: Answer & { readonly facts: Import }) =>
      directory.importFolder(facts.folder).pipe(
        // Those were counted before the run was cut off; files are walked in a fixed order.
        Stream.drop(countOf(facts)),
        Stream.groupedWithin(group, "500 millis"),
        Stream.runForEach((some) => learn(answer, Array.from(some))),
        Effect.as(null),
        Effect.catchTags({
          FolderUnreadable: ({ reason }) => Effect.succeed(reason),
          // Only who names types can name one that is none.
          InvalidEntity: Effect.die,
        }),
        Effect.flatMap((broken) => learn(answer, [], broken)),
      )

    const step = Effect.gen(function* () {
      yield* news.close
      const asked = yield* answers.entering
      if (Option.isNone(asked)) return yield* Effect.race(news.await, Effect.sleep(backstop))
      const { facts, ...row } = asked.value
      if (facts.kind === "import") yield* run({ ...row, facts })
      yield* news.open
    })

    return { step }
  })
