/**
 * What whoever follows a watched folder wants to hear. What did not change is no news, nor is a file that is being written;
 * and what is not in order is found again by every run, so it is told once, until it says something else.
 */
import type { SyncOutcome } from "./Outcome.js"

/** Remembers what it was asked about. */
export const make = (): ((outcome: SyncOutcome) => boolean) => {
  const told = new Map<string, string>()
  const isNew = (about: string, reason: string) => {
    if (told.get(about) === reason) return false
    told.set(about, reason)
    return true
  }
  return (outcome) => {
    switch (outcome._tag) {
      case "Saved":
      case "Exported":
        return outcome.change !== "unchanged" && outcome.change !== "kept"
      case "Skipped":
        return outcome.kind !== "transient" && isNew(outcome.path, outcome.reason)
      case "Unexported":
        return isNew(`${outcome.entityType}/${outcome.entityId}`, outcome.reason)
      case "Conflict":
      case "Removed":
        return true
    }
  }
}
