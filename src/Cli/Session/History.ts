/** What was entered in earlier sessions: a file of the user's, that nobody else may read. */
import * as fs from "node:fs/promises"
import { homedir } from "node:os"
import * as path from "node:path"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { historySize } from "./Prompt.js"

/** Below the folder that the XDG convention has for state. */
const file = Effect.map(
  Effect.orElseSucceed(Config.string("XDG_STATE_HOME"), () => ""),
  (folder) => path.join(path.isAbsolute(folder) ? folder : `${homedir()}/.local/state`, "embedbox/history"),
)

/** The newest first; none where there is no file. */
export const load: Effect.Effect<ReadonlyArray<string>> = Effect.flatMap(file, (at) =>
  Effect.tryPromise(() => fs.readFile(at, "utf8")).pipe(
    Effect.map((text) => text.split("\n").filter((line) => line !== "")),
    Effect.orElseSucceed(() => []),
  ),
)

/** A session that cannot be remembered is no reason to trouble anybody. */
export const save = (entries: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.flatMap(file, (at) =>
    Effect.tryPromise(async () => {
      await fs.mkdir(path.dirname(at), { recursive: true, mode: 0o700 })
      await fs.writeFile(at, `${entries.slice(0, historySize).join("\n")}\n`, { mode: 0o600 })
    }),
  ).pipe(Effect.catchAll((error) => Effect.logDebug("the history cannot be kept", error)))
