/**
 * Tells the author of a host that a call should be replaced, once for each place in the host's code that makes it. It is
 * one of Node's own deprecation warnings, so that Node's switches hold: `--no-deprecation` (or `process.noDeprecation`)
 * turns it off, `--trace-deprecation` shows the whole way to it, `--throw-deprecation` makes it an error.
 */
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"

/** The folder of this library: its frames are not the caller's. */
const own = fileURLToPath(new URL("..", import.meta.url))

const frame = /(?:file:\/\/)?([^\s()]+:\d+:\d+)\)?$/

/** How deep in the stack the caller's code is looked for. */
const depth = 50

/** Where the code is that called this library, as file, line and column; must be asked while it calls. */
export const callSite = (): string | undefined => {
  const before = Error.stackTraceLimit
  Error.stackTraceLimit = depth
  const { stack = "" } = new Error()
  Error.stackTraceLimit = before
  return stack
    .split("\n")
    .slice(1)
    .flatMap((line) => frame.exec(line)?.[1] ?? [])
    .find(
      (place) =>
        !place.startsWith(own) && !place.includes("/node_modules/effect/") && !place.startsWith("node:"),
    )
}

/** Those that were told of. As many as there are places in the host's code. */
const told = new Set<string>()

/** The warning, if this place was not told of before. */
export const warn = (
  warning: { readonly code: string; readonly message: string },
  site: string | undefined,
): Effect.Effect<void> =>
  Effect.sync(() => {
    const place = site ?? "an unknown place"
    const key = `${warning.code} ${place}`
    if (told.has(key)) return
    told.add(key)
    process.emitWarning(`${warning.message} (called at ${place})`, {
      type: "DeprecationWarning",
      code: warning.code,
    })
  })

/** The blocking create, as hosts had it before. */
export const createEntitySync = {
  code: "EMBEDBOX_DEP0001",
  message:
    "createEntitySync makes its caller wait for the model: use createEntity, and awaitJob where the embedding is needed",
}
