/** Settings: the Matrix bot of the daemon. */
import type * as Redacted from "effect/Redacted"
import { isUserId } from "../../Matrix/Ids.js"
import { isEntry, isOwnerEntry } from "../../Matrix/Roles.js"
import * as Values from "../Values.js"
import type { TableOf } from "./Setting.js"

export interface Settings {
  readonly matrixHomeserver: string | undefined
  readonly matrixUser: string | undefined
  readonly matrixToken: Redacted.Redacted | undefined
  readonly matrixPassword: Redacted.Redacted | undefined
  readonly matrixOwners: ReadonlyArray<string>
  readonly matrixTrusted: ReadonlyArray<string>
  readonly matrixPublic: ReadonlyArray<string>
  readonly matrixImportDir: string | undefined
  readonly matrixCommandsPerMinute: number
}

export const settings: TableOf<Settings> = {
  matrixHomeserver: {
    variable: "EMBEDBOX_MATRIX_HOMESERVER",
    fallback: "none",
    meaning:
      "Where the client-server API of the Matrix bot's homeserver is. With it, the daemon runs the bot.",
    value: Values.orNone(Values.address),
  },
  matrixUser: {
    variable: "EMBEDBOX_MATRIX_USER",
    fallback: "none",
    meaning: "The bot's user id.",
    value: Values.orNone(Values.textOf("a user id such as @notes:example.org", isUserId)),
  },
  matrixToken: {
    variable: "EMBEDBOX_MATRIX_TOKEN",
    fallback: "none",
    meaning: "Its access token, or …",
    value: Values.orNone(Values.secret),
  },
  matrixPassword: {
    variable: "EMBEDBOX_MATRIX_PASSWORD",
    fallback: "none",
    meaning: "… its password: then it signs in by itself, and again when it was signed out.",
    value: Values.orNone(Values.secret),
  },
  matrixOwners: {
    variable: "EMBEDBOX_MATRIX_OWNERS",
    fallback: "none",
    meaning: "Who may invite it and use every command.",
    value: Values.listOf("user ids", isOwnerEntry),
  },
  matrixTrusted: {
    variable: "EMBEDBOX_MATRIX_TRUSTED",
    fallback: "none",
    meaning:
      "Who may save notes too. `@*:example.org` is everybody of a homeserver, a room id all who speak there.",
    value: Values.listOf("user ids and room ids", isEntry),
  },
  matrixPublic: {
    variable: "EMBEDBOX_MATRIX_PUBLIC",
    fallback: "none",
    meaning: "Who may search and read. Everybody else is not heard at all.",
    value: Values.listOf("user ids and room ids", isEntry),
  },
  matrixImportDir: {
    variable: "EMBEDBOX_MATRIX_IMPORT_DIR",
    fallback: "none",
    meaning: "The folder that the bot's `!import` reads.",
    value: Values.orNone(Values.path),
  },
  matrixCommandsPerMinute: {
    variable: "EMBEDBOX_MATRIX_COMMANDS_PER_MINUTE",
    fallback: "120",
    meaning: "Commands of one sender that the bot obeys in a minute; more have to wait.",
    value: Values.count(1, 100_000),
  },
}
