/**
 * The interfaces of the daemon that live on a connection of their own, as the settings ask for them. One that is not
 * asked for is not even imported; one that is half configured is a mistake, and said so before anything starts.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Settings as MatrixSettings } from "../Matrix.js"
import type { Services } from "../Shell.js"
import type { Storage } from "../Storage.js"
import { InvalidSettings, settings as known, type Settings } from "./Config.js"

type Of = Pick<
  Settings,
  | "matrixHomeserver"
  | "matrixUser"
  | "matrixToken"
  | "matrixPassword"
  | "matrixOwners"
  | "matrixTrusted"
  | "matrixPublic"
  | "matrixImportDir"
  | "matrixCommandsPerMinute"
>

type Asked = Omit<MatrixSettings, "sending" | "following" | "listening">

const missing = (variable: string, given: string) =>
  new InvalidSettings({ problems: [`${variable} is not set, and ${given} is: the Matrix bot needs both`] })

/** What the Matrix bot is to be; nothing where there is to be none. */
export const matrix = (settings: Of): Effect.Effect<Asked | undefined, InvalidSettings> =>
  Effect.gen(function* () {
    const { matrixHomeserver: homeserver, matrixPassword, matrixToken, matrixUser: userId } = settings
    const credentials =
      matrixToken !== undefined
        ? ({ _tag: "Token", token: matrixToken } as const)
        : matrixPassword !== undefined
          ? ({ _tag: "Password", password: matrixPassword } as const)
          : undefined
    if (homeserver === undefined) {
      const given =
        userId !== undefined
          ? known.matrixUser
          : credentials && (credentials._tag === "Token" ? known.matrixToken : known.matrixPassword)
      return given === undefined ? undefined : yield* missing(known.matrixHomeserver.variable, given.variable)
    }
    if (userId === undefined) {
      return yield* missing(known.matrixUser.variable, known.matrixHomeserver.variable)
    }
    if (credentials === undefined) {
      return yield* missing(
        `${known.matrixToken.variable} (or ${known.matrixPassword.variable})`,
        known.matrixHomeserver.variable,
      )
    }
    const roles = {
      owners: settings.matrixOwners,
      trusted: settings.matrixTrusted,
      public: settings.matrixPublic,
    }
    if (roles.owners.length === 0) {
      yield* Effect.logWarning(
        `${known.matrixOwners.variable} is not set: nobody can invite the Matrix bot into a room`,
      )
    }
    return {
      homeserver,
      userId,
      credentials,
      roles,
      importDir: settings.matrixImportDir,
      commands: { perMinute: settings.matrixCommandsPerMinute, concurrency: 8 },
    }
  })

/** The folder that is kept in step. */
const folder = ({ syncDeletions, syncDir, syncTypes }: Settings) =>
  Effect.gen(function* () {
    if (syncDir === undefined) return Layer.empty
    const module = yield* Effect.promise(() => import("../DirectorySync/Resident.js"))
    return module.layer({ folder: syncDir, types: syncTypes, deletions: syncDeletions })
  })

/** The Matrix bot. */
const bot = (settings: Settings) =>
  Effect.gen(function* () {
    const asked = yield* matrix(settings)
    if (asked === undefined) return Layer.empty
    const module = yield* Effect.promise(() => import("../Matrix.js"))
    return Layer.discard(module.layer({ ...module.defaults, ...asked }))
  })

/** The interfaces that the settings ask for. */
export const layer = (
  settings: Settings,
): Effect.Effect<Layer.Layer<never, never, Storage | Services>, InvalidSettings> =>
  Effect.zipWith(bot(settings), folder(settings), (one, other) => Layer.merge(one, other))
