/**
 * Logs, structured, on standard error only: standard output belongs to what a command answers. The format follows the
 * reader: a person at a terminal gets colours, a log collector gets one `logfmt` or JSON line per event.
 *
 * @example
 * import { Config, Logging, Shell } from "embedbox"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * export const MyShell = Layer.unwrapEffect(
 *   Effect.map(Config.load({ logFormat: "json" }), (settings) =>
 *     Layer.provideMerge(Shell.layerWith(settings), Logging.layer(settings)),
 *   ),
 * )
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type { Settings } from "./Config.js"

const toStderr = (text: string) => {
  process.stderr.write(text)
}

const line = (text: string) => toStderr(`${text}\n`)

/** Takes away the lines that are redrawn: the cursor rests on the first of them. */
const clearLines = Logger.make(() => toStderr("\r\u001b[J"))

interface Target {
  readonly isTerminal: boolean
  readonly colours: boolean
}

const loggerOf = (format: Settings["logFormat"], target: Target): Logger.Logger<unknown, void> => {
  switch (format) {
    case "json":
      return Logger.map(Logger.jsonLogger, line)
    case "logfmt":
      return Logger.map(Logger.logfmtLogger, line)
    case "pretty":
      return Logger.prettyLogger({ stderr: true, mode: "tty", colors: target.colours })
    case "auto":
      return loggerOf(target.isTerminal ? "pretty" : "logfmt", target)
  }
}

/**
 * Replaces Effect's own logger, whose lines go to standard output. With `liveLine`, something redraws the last lines
 * of the terminal all the time, and log lines first clear them away.
 */
export const layer = (
  settings: Pick<Settings, "logFormat" | "logLevel">,
  { liveLine = false }: { readonly liveLine?: boolean } = {},
): Layer.Layer<never> =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const noColour = yield* Effect.orElseSucceed(Config.string("NO_COLOR"), () => "")
      const isTerminal = process.stderr.isTTY === true
      const logger = loggerOf(settings.logFormat, { isTerminal, colours: isTerminal && noColour === "" })
      return Layer.merge(
        Logger.replace(
          Logger.defaultLogger,
          liveLine && isTerminal ? Logger.zipRight(clearLines, logger) : logger,
        ),
        Logger.minimumLogLevel(settings.logLevel),
      )
    }),
  )
