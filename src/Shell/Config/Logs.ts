/** Settings: what is logged, and how. */
import type * as LogLevel from "effect/LogLevel"
import * as Values from "../Values.js"
import type { TableOf } from "./Setting.js"

export interface Settings {
  readonly logFormat: Values.LogFormat
  readonly logLevel: LogLevel.LogLevel
}

export const settings: TableOf<Settings> = {
  logFormat: {
    variable: "EMBEDBOX_LOG_FORMAT",
    fallback: "auto",
    meaning: "Logs go to standard error. `auto` is `pretty` on a terminal, else `logfmt`.",
    value: Values.logFormat,
  },
  logLevel: {
    variable: "EMBEDBOX_LOG_LEVEL",
    fallback: "info",
    meaning: "The least that is logged. The command line's default is `warning`.",
    value: Values.logLevel,
  },
}
