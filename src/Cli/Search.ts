/** `embedbox search` and `embedbox related`: find notes, and say what they could not see. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { SearchAnswer, SearchMode, SearchResult } from "../Domain/Search.js"
import { EntityService } from "../EntityService.js"
import { Access } from "./Access.js"
import * as Metadata from "./Metadata.js"
import * as Output from "./Output.js"
import { oneLine, Screen } from "./Screen.js"

export interface Given {
  readonly text: ReadonlyArray<string>
  readonly mode: SearchMode
  readonly types: ReadonlyArray<string>
  readonly excludedTypes: ReadonlyArray<string>
  readonly metadata: ReadonlyArray<Metadata.Pair>
  readonly limit: number
  readonly offset: number
  readonly explain: boolean
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

/** The excerpt, with the words of the question made bold. Its white space is single blanks, one of which ends a line. */
const excerptLines = (screen: typeof Screen.Service, { excerpt, marks }: SearchResult) => {
  let from = 0
  return wrap(excerpt, screen.width - 4).map((line) => {
    const start = from
    from += line.length + 1
    let [shown, at] = ["", 0]
    for (const [first, last] of marks) {
      const [begin, end] = [Math.max(first - start, 0), Math.min(last - start, line.length)]
      if (begin >= end) continue
      shown += line.slice(at, begin) + screen.bold(line.slice(begin, end))
      at = end
    }
    return shown + line.slice(at)
  })
}

const explained = ({ explanation, score }: SearchResult): ReadonlyArray<string> => {
  if (explanation === undefined) return []
  const { bm25, chunk, coverage, lexical, lexicalRank, semantic, semanticRank } = explanation
  const place = (rank: number | undefined) => (rank === undefined ? "" : `, place ${rank}`)
  return [
    `score ${score.toFixed(3)} = ${semantic.toFixed(3)} meaning + ${lexical.toFixed(3)} words`,
    `meaning: ${chunk === undefined ? "no vector compared" : `chunk ${chunk}`}${place(semanticRank)}`,
    `words: BM25 ${bm25.toFixed(2)}, ${Math.round(coverage * 100)} % of what they could tell${place(lexicalRank)}`,
  ]
}

const render = (screen: typeof Screen.Service, from: number) => (result: SearchResult, index: number) => {
  const how = [
    ...(result.similarity === undefined ? [] : [`meaning ${result.similarity.toFixed(2)}`]),
    ...(result.lexical ? ["words"] : []),
    ...(result.embedding.state === "ready" ? [] : [result.embedding.state]),
  ].join(", ")
  const number = `${from + index + 1}.`.padEnd(4)
  // The title stands above it already.
  const path = result.path.filter((heading, at) => at > 0 || heading !== result.title)
  // A note without a title is called by its id, which is not said twice.
  const id = result.title === result.entityId ? "" : ` ${oneLine(result.entityId)}`
  return [
    `${number}${screen.bold(oneLine(result.title))}`,
    `    ${screen.dim(`${result.entityType}${id}  (${how})`)}`,
    ...(path.length === 0 ? [] : [`    ${screen.dim(oneLine(path.join(" > ")))}`]),
    ...excerptLines(screen, result).map((line) => `    ${line}`),
    ...explained(result).map((line) => `    ${screen.dim(line)}`),
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

/** Prints an answer as it is wanted. */
export const print = (
  answer: SearchAnswer,
  { from, json }: { readonly from: number; readonly json: boolean },
) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    if (json) {
      return yield* Output.print(Output.Found, {
        ...answer,
        notice: answer.notice ?? null,
        results: answer.results.map((result) => ({
          ...result,
          similarity: result.similarity ?? null,
          explanation: Output.explanationOf(result.explanation),
        })),
      })
    }
    const found = answer.results.map(render(screen, from))
    yield* Console.log((found.length === 0 ? ["Nothing found."] : found).join("\n\n"))
    const notes = blindSpots(answer)
    if (notes.length > 0) yield* Console.log(`\n${screen.yellow(notes.join("\n"))}`)
  })

export const run = ({ excludedTypes, explain, json, limit, metadata, mode, offset, text, types }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    const answer = yield* Effect.flatMap(EntityService, (service) =>
      service.search(text.join(" "), {
        mode,
        entityTypes: types,
        excludedTypes,
        metadata: Metadata.toFilter(metadata),
        limit,
        offset,
        explain,
      }),
    ).pipe(Effect.provide(access.services))
    yield* print(answer, { from: offset, json })
  })
