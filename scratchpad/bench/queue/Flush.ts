// @effect-diagnostics processEnv:off
/**
 * The same benchmark on a disk whose flush takes longer: how much a durable write costs beside the work around it depends
 * on nothing as much, and the disks of virtual machines answer before anything is safe. Linux only, and needs a C compiler.
 */
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as Path from "node:path"
import { temporaryFolder } from "../support.js"

const source = Path.join("scratchpad", "bench", "queue", "flush.c")

/** Whether this process is such a run already. */
export const isSlowed = process.env["BENCH_FLUSH_MICROS"] !== undefined

/** Runs this program again with flushes that take so many microseconds longer, and answers its exit code. */
export const again = (micros: number) =>
  Effect.gen(function* () {
    const library = Path.join(yield* temporaryFolder, "flush.so")
    return yield* Effect.sync(() => {
      execFileSync("cc", ["-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], { stdio: "inherit" })
      const env = { ...process.env, LD_PRELOAD: library, BENCH_FLUSH_MICROS: String(micros) }
      return spawnSync(process.execPath, process.argv.slice(1), { env, stdio: "inherit" }).status ?? 1
    })
  }).pipe(Effect.scoped)
