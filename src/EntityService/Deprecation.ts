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

const isCallers = (file: string) =>
  file !== "" &&
  !file.startsWith("node:") &&
  !file.startsWith(own) &&
  !/[/\\]node_modules[/\\]effect[/\\]/.test(file)

/** The files that run, one for each frame, whatever source maps call them. */
const filesOf = (holder: object): ReadonlyArray<string> => {
  let files: ReadonlyArray<string> = []
  const before = Error.prepareStackTrace
  Error.prepareStackTrace = (_, sites) => {
    files = sites.map((site) => {
      const name = site.getFileName() ?? ""
      return name.startsWith("file:") ? fileURLToPath(name) : name
    })
    return ""
  }
  Error.captureStackTrace(holder, callSite)
  // The stack is made when it is asked for.
  Reflect.get(holder, "stack")
  Error.prepareStackTrace = before
  return files
}

/**
 * Where the code is that called this library, as file, line and column; must be asked while it calls. Whose a frame is, is
 * told by the file that runs: source maps give our own frames names that are no files of the host. Its place is told as
 * they have it: that is what its author wrote.
 */
export const callSite = (): string | undefined => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = depth
  const holder: { stack?: string } = {}
  Error.captureStackTrace(holder, callSite)
  const lines = (holder.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line))
  const at = filesOf({}).findIndex(isCallers)
  Error.stackTraceLimit = limit
  return frame.exec(lines[at] ?? "")?.[1]
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
