/** The crash harness for as long as one likes: `npm run test:crash -- --rounds 500 --seed 7`. Ends with 1 on trouble. */
import * as Effect from "effect/Effect"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { parseArgs } from "node:util"
import * as Harness from "./Harness.js"

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "100" },
    seed: { type: "string", default: String(process.hrtime.bigint() % 1_000_000n) },
    daemons: { type: "string", default: "2" },
    clients: { type: "string", default: "3" },
    keep: { type: "boolean", default: false },
  },
})

const main = Effect.gen(function* () {
  const { problems, ...figures } = yield* Harness.run({
    rounds: Number(values.rounds),
    seed: Number(values.seed),
    daemons: Number(values.daemons),
    clients: Number(values.clients),
    keep: values.keep,
    onRound: (round, what) => {
      if (round % 10 === 0) process.stdout.write(`round ${round}: ${what}\n`)
    },
  })
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`)
  if (problems.length === 0) return
  process.stdout.write(`${problems.length} problems:\n${problems.slice(0, 50).join("\n")}\n`)
  process.stdout.write(
    `repeat it: npm run test:crash -- --rounds ${values.rounds} --seed ${values.seed} ` +
      `--daemons ${values.daemons} --clients ${values.clients}\nkept: ${figures.folder}\n`,
  )
  process.exitCode = 1
}).pipe(Effect.scoped)

process.stdout.write(`seed ${values.seed}\n`)
NodeRuntime.runMain(main, { disableErrorReporting: false })
