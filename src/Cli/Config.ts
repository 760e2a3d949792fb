/** `embedbox config`: the settings that count, and where each comes from. Secrets are not shown. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { SettingsTag } from "./Access.js"
import * as Output from "./Output.js"
import { oneLine, Screen } from "./Screen.js"
import * as Table from "./Table.js"

const columns: ReadonlyArray<Table.Column> = [
  { title: "setting" },
  { title: "value", least: 6 },
  { title: "from", least: 6 },
]

export const run = ({ json }: { readonly json: boolean }) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const { effective, strangers } = yield* SettingsTag
    const settings = yield* effective
    yield* Effect.forEach(yield* strangers, (sentence) => screen.write(`embedbox: ${sentence}\n`))
    if (json) return yield* Output.print(Output.Settings, { settings })
    yield* Console.log(
      Table.lines(
        screen,
        columns,
        settings.map(({ name, source, value }) => [name, oneLine(value), source]),
        (cell, row) => (settings[row]?.source === "default" ? screen.dim(cell) : cell),
      ).join("\n"),
    )
  })
