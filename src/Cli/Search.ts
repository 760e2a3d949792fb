/** `embedbox search`: finds notes, and says what it could not see. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { SearchAnswer, SearchMode, SearchResult } from "../Domain/Search.js"
import { EntityService } from "../EntityService.js"
import { Access } from "./Access.js"
import * as Output from "./Output.js"
import { oneLine, Screen } from "./Screen.js"

export interface Given {
  readonly text: ReadonlyArray<string>
  readonly mode: SearchMode
  readonly types: ReadonlyArray<string>
  readonly limit: number
  readonly json: boolean
}

/** Breaks at white space; a word longer than the line stands alone. */
const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return line === "" ? lines : [...lines, line]
}

const render = (screen: typeof Screen.Service) => (result: SearchResult, index: number) => {
  const how = [
    ...(result.similarity === undefined ? [] : [`meaning ${result.similarity.toFixed(2)}`]),
    ...(result.lexical ? ["words"] : []),
    ...(result.embedding.state === "ready" ? [] : [result.embedding.state]),
  ].join(", ")
  const number = `${index + 1}.`.padEnd(4)
  return [
    `${number}${screen.bold(oneLine(result.title))}`,
    `    ${screen.dim(`${result.entityType} ${oneLine(result.entityId)}  (${how})`)}`,
    ...wrap(result.excerpt, screen.width - 4).map((line) => `    ${line}`),
  ].join("\n")
}

/** What the answer could not see, in words. */
const blindSpots = (answer: SearchAnswer): ReadonlyArray<string> => [
  ...(answer.notice === undefined ? [] : [`Note: ${answer.notice}`]),
  ...(answer.pending === 0 || answer.mode === "lexical"
    ? []
    : [
        `Note: ${answer.pending} not embedded yet: ${answer.mode === "semantic" ? "not found by meaning" : "found by words only"}, or by older text`,
        "      a daemon embeds them, or any command with --wait",
      ]),
  ...(answer.failed === 0 || answer.mode === "lexical"
    ? []
    : [`Note: ${answer.failed} could not be embedded: found by words only`]),
]

export const run = ({ json, limit, mode, text, types }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const screen = yield* Screen
    const answer = yield* Effect.flatMap(EntityService, (service) =>
      service.search(text.join(" "), { mode, entityTypes: types, limit }),
    ).pipe(Effect.provide(access.services))
    if (json) {
      return yield* Output.print(Output.Found, {
        ...answer,
        notice: answer.notice ?? null,
        results: answer.results.map((result) => ({ ...result, similarity: result.similarity ?? null })),
      })
    }
    const found = answer.results.map(render(screen))
    yield* Console.log((found.length === 0 ? ["Nothing found."] : found).join("\n\n"))
    const notes = blindSpots(answer)
    if (notes.length > 0) yield* Console.log(`\n${screen.yellow(notes.join("\n"))}`)
  })
