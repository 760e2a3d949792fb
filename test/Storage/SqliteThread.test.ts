import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { script } from "../support/programs.js"

const closing = script(fileURLToPath(new URL("fixtures/closing.ts", import.meta.url)))

it.live("a thread whose answer nobody waits for is ended before the process is", () =>
  Effect.gen(function* () {
    const { stdout } = yield* Effect.promise(() => promisify(execFile)(process.execPath, closing))
    expect(stdout).toBe("closed\n")
  }),
)
