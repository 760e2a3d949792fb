/**
 * What `embedbox <command> --help` prints. The words are those of the command; the options are read from what @effect/cli
 * says of them, without the sentences that it says of every option.
 */
import * as Args from "@effect/cli/Args"
import type * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { wrapAnsi } from "fast-wrap-ansi"
import * as HelpTable from "./HelpTable.js"
import { escapes, Screen } from "./Screen.js"
import type { Told } from "./Words.js"

const textOf = (doc: HelpDoc.HelpDoc): string => HelpDoc.toAnsiText(doc).replace(escapes, "").trim()

/** One paragraph after the other. */
const paragraphs = (doc: HelpDoc.HelpDoc): ReadonlyArray<string> =>
  doc._tag === "Sequence" ? [...paragraphs(doc.left), ...paragraphs(doc.right)] : [textOf(doc)]

/** Its name as it is written, and our own description: the second paragraph, after that on its kind. */
const rowsOf = (doc: HelpDoc.HelpDoc): ReadonlyArray<readonly [string, string]> =>
  doc._tag !== "DescriptionList"
    ? []
    : doc.definitions.map(([name, about]) => [
        textOf(HelpDoc.p(name)).replace(/^\((.*)\)$/u, "$1"),
        paragraphs(about)[1] ?? "",
      ])

export const print = ({
  config,
  globals,
  told,
}: {
  readonly told: Told
  readonly config: Command.Command.Config
  readonly globals: Command.Command.Config
}) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const text = (line: string) => wrapAnsi(line, screen.width).split("\n")
    /** Its blanks are meant. */
    const indented = (line: string) => wrapAnsi(line, screen.width, { trim: false }).split("\n")
    const optionsOf = (some: Command.Command.Config) =>
      Object.values(some).flatMap((one) => (Options.isOptions(one) ? rowsOf(Options.getHelp(one)) : []))
    const args = Object.values(config).flatMap((one) => (Args.isArgs(one) ? rowsOf(Args.getHelp(one)) : []))
    const options = optionsOf(config)
    const section = (title: string, rows: ReadonlyArray<readonly [string, string]>) =>
      rows.length === 0 ? [] : ["", screen.bold(title), ...HelpTable.lines(screen, rows)]
    yield* Console.log(
      [
        ...text(`${screen.bold("Usage")}  embedbox ${told.usage}${options.length === 0 ? "" : " [options]"}`),
        "",
        ...text(told.meaning),
        ...(told.more ?? []).flatMap((paragraph) => ["", ...text(paragraph)]),
        ...section("Arguments", args),
        ...section("Options", options),
        ...section("For every command", optionsOf(globals)),
        "",
        screen.bold("Examples"),
        ...told.examples.flatMap(([line, purpose]) => [
          ...indented(`  embedbox ${line}`),
          ...indented(`      ${screen.dim(purpose)}`),
        ]),
      ].join("\n"),
    )
  })
