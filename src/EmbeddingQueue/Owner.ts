/**
 * Who holds a claim. When a process dies, its claims need not wait for their leases: whoever runs on the same
 * host can see that the process is gone. The random part tells two shells in one process apart, and a restarted
 * process that was given the same id (usual in containers) from the one before it.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Os from "node:os"
import { v4 as randomId } from "uuid"

const aliveHere = new Set<string>()

/** Registers an owner for the life of the scope. The form is `host:pid:random`. */
export const make: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const owner = `${Os.hostname()}:${process.pid}:${randomId()}`
    aliveHere.add(owner)
    return owner
  }),
  (owner) => Effect.sync(() => aliveHere.delete(owner)),
)

/** Where an owner runs. The process id is 0 where it cannot be read. */
export const partsOf = (owner: string): { readonly host: string; readonly pid: number } => {
  const [host = "", pid] = owner.split(":")
  const id = Number(pid)
  return { host, pid: Number.isSafeInteger(id) && id > 0 ? id : 0 }
}

/** True only where it is certain: the owner was a process of this host and is no more. */
export const isDead = (owner: string): boolean => {
  const { host, pid } = partsOf(owner)
  if (host !== Os.hostname() || pid === 0) return false
  if (pid === process.pid) return !aliveHere.has(owner)
  // Signal 0 only asks. EPERM means that the process is there and belongs to someone else.
  return Either.match(Either.try({ try: () => process.kill(pid, 0), catch: (error) => error }), {
    onRight: () => false,
    onLeft: (error) => error instanceof Error && "code" in error && error.code === "ESRCH",
  })
}
