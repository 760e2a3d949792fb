/**
 * How much of the processor something takes. Texts a second go up and down with whoever else uses the machine; the time
 * that the processor worked on them does so much less.
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"

/** Of a tick of the kernel's count, in milliseconds. */
const tick = 10

/** What a process and its threads have taken since they began, in milliseconds. */
const takenBy = (pid: number): number => {
  // After the name of the program, in which anything may stand.
  const fields = Fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? []
  return (Number(fields[11]) + Number(fields[12])) * tick
}

/** Runs an effect and answers how long it took, and how long this process and those worked meanwhile, in milliseconds. */
export const watched = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  children: Effect.Effect<ReadonlyArray<number>>,
) =>
  Effect.gen(function* () {
    const before = new Map((yield* children).map((pid) => [pid, takenBy(pid)]))
    const own = process.cpuUsage()
    const start = performance.now()
    const value = yield* effect
    const ms = performance.now() - start
    const { system, user } = process.cpuUsage(own)
    const after = yield* children
    return {
      value,
      ms,
      host: (user + system) / 1000,
      children: after.reduce((sum, pid) => sum + takenBy(pid) - (before.get(pid) ?? 0), 0),
    }
  })
