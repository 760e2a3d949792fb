/** `embedbox list`: notes in the order of type and id, embedded or not. */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { labelOf } from "../Domain/Text.js"
import { type EntityView } from "../EntityOverlay.js"
import { EntityService } from "../EntityService.js"
import { Access } from "./Access.js"
import { WrongUsage } from "./Failure.js"
import * as JobWords from "./JobWords.js"
import * as Output from "./Output.js"
import { oneLine, Screen } from "./Screen.js"
import * as Table from "./Table.js"

export interface Given {
  readonly types: ReadonlyArray<string>
  readonly after: Option.Option<string>
  readonly limit: number
  readonly json: boolean
}

/** `type/id`; ids may have slashes, types have none. */
const keyOf = (text: string) => {
  const at = text.indexOf("/")
  return at < 1
    ? new WrongUsage({
        reason: "--after takes type/id",
        advice: "for instance: --after base/garden/tomatoes",
      })
    : Effect.succeed({ entityType: text.slice(0, at), entityId: text.slice(at + 1) })
}

const columns: ReadonlyArray<Table.Column> = [
  { title: "type", least: 4 },
  { title: "id", least: 8 },
  { title: "title", least: 8 },
  { title: "state" },
  { title: "changed" },
]

/** Narrower than this there is no room for when a note was changed. */
const leastForTime = 60

const table = (screen: typeof Screen.Service, notes: ReadonlyArray<EntityView>, now: number) => {
  const tints = { ready: screen.green, failed: screen.red, pending: screen.yellow, processing: screen.yellow }
  return Table.lines(
    screen,
    screen.width < leastForTime ? columns.slice(0, -1) : columns,
    notes.map((note) => [
      note.entityType,
      oneLine(note.id),
      oneLine(labelOf(note)),
      note.embedding.state,
      `${JobWords.span(now - note.updated)} ago`,
    ]),
    (cell, row, column) => {
      const note = notes[row]
      return column === 3 && note !== undefined ? tints[note.embedding.state](cell) : cell
    },
  )
}

export const run = ({ after, json, limit, types }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const from = Option.isSome(after) ? yield* keyOf(after.value) : undefined
    // One more than is shown tells whether there are more.
    const found = yield* Effect.flatMap(EntityService, (service) =>
      service.listEntities({ entityTypes: types, after: from, limit: Math.min(limit + 1, 1000) }),
    ).pipe(Effect.provide(access.services))
    const notes = found.slice(0, limit)
    const more = found.length > notes.length
    if (json) {
      return yield* Output.print(Output.Listed, {
        notes: notes.map((note) => ({ ...note, title: labelOf(note) })),
        more,
      })
    }
    if (notes.length === 0) return yield* Console.log(from === undefined ? "No notes." : "No more notes.")
    const last = notes.at(-1)
    yield* Console.log(
      [
        ...table(screen, notes, yield* Clock.currentTimeMillis),
        ...(more && last !== undefined
          ? [screen.dim(`There are more: --after ${oneLine(`${last.entityType}/${last.id}`)}`)]
          : []),
      ].join("\n"),
    )
  })
