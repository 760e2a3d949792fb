/** How a job is put into words: the same in lists, in a job's own page, and where something was done to it. */
import type { Job, JobStatus } from "../Domain/Job.js"
import { counted, span } from "../Domain/Phrases.js"
import type { Screen } from "./Screen.js"

export { counted, span }

/** One word for where it stands: its end where that says more than its status. */
export const wordOf = ({ outcome, status }: Pick<Job, "outcome" | "status">): string =>
  outcome === null || outcome === "exhausted" ? status : outcome

/** Its status, and how it ended. */
export const standingOf = ({
  outcome,
  status,
  successor,
}: {
  readonly status: JobStatus
  readonly outcome: string | null
  readonly successor: string | null
}): string =>
  outcome === null ? status : `${status} (${outcome}${successor === null ? "" : ` by ${successor}`})`

/** When it is due, since when it is in work, or when it ended. */
export const whenOf = (job: Job, now: number): string => {
  switch (job.status) {
    case "pending":
      return job.scheduledFor > now ? `in ${span(job.scheduledFor - now)}` : "due"
    case "processing":
      return `for ${span(now - (job.claimedAt ?? now))}`
    default:
      return `${span(now - (job.completedAt ?? job.updatedAt))} ago`
  }
}

/** The colour of a status. */
export const tintOf = (screen: typeof Screen.Service, status: JobStatus) =>
  status === "completed" ? screen.green : status === "failed" ? screen.red : screen.yellow
