/**
 * What is embedded: the 174 guides cut into passages that fit the model, and a mix whose lengths are spread as notes are
 * (log-normal, median 60 tokens), cut from the same words. Headings are made plain text, so that every contender gets
 * exactly the same input.
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import { Embedder } from "../../../src/Embedder.js"
import { percentile } from "../support.js"

const guides = (): ReadonlyArray<string> => {
  const root = Path.dirname(createRequire(import.meta.url).resolve("modern-web-guidance/package.json"))
  return Fs.readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .toSorted()
    .map((name) => Fs.readFileSync(Path.join(root, name), "utf8").replaceAll(/^#+\s*/gm, ""))
}

/** The same numbers every time. */
const random = (seed: number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state + 0.5) / 2 ** 32
  }
}

/** English of the guides has some 4.2 characters a token. */
const charactersPerToken = 4.2

const logNormalMix = (count: number, words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const next = random(4)
  const normal = () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next())
  return Array.from({ length: count }, () => {
    const tokens = Math.max(4, Math.min(220, 60 * Math.exp(0.8 * normal())))
    const from = Math.floor(next() * (words.length - 400))
    return words
      .slice(from, from + 400)
      .join(" ")
      .slice(0, Math.round(tokens * charactersPerToken))
  })
}

/** `count` texts without duplicates, half of each kind, in a random order. */
export const make = (count: number) =>
  Effect.gen(function* () {
    const embedder = yield* Embedder
    const cut = (texts: ReadonlyArray<string>) =>
      Effect.map(embedder.split(texts.map((text) => ({ title: "", text }))), (pieces) =>
        pieces.map((list, at) => list.map(({ end, start }) => texts[at]?.slice(start, end) ?? "")),
      )
    const texts = guides()
    const passages = [...new Set((yield* cut(texts)).flat().map((text) => text.trim()))].filter(
      (text) => text !== "",
    )
    const next = random(7)
    const order = (list: ReadonlyArray<string>) =>
      list
        .map((text) => [next(), text] as const)
        .toSorted(([a], [b]) => a - b)
        .map(([, text]) => text)
    const words = texts.join(" ").split(/\s+/)
    const half = Math.ceil(count / 2)
    // Some words are long: what does not fit the window is cut as any text is.
    const synthetic = (yield* cut(logNormalMix(half, words))).flatMap((pieces) => pieces.slice(0, 1))
    const mixed = [...order(passages).slice(0, half), ...synthetic]
    return order([...new Set(mixed)]).slice(0, count)
  })

/** Lengths for people: least, median, mean, 95th percentile, most. */
export const lengths = (tokens: ReadonlyArray<number>): string => {
  const mean = tokens.reduce((sum, count) => sum + count, 0) / tokens.length
  return [
    `least ${Math.min(...tokens)}`,
    `median ${percentile(tokens, 0.5)}`,
    `mean ${mean.toFixed(0)}`,
    `p95 ${percentile(tokens, 0.95)}`,
    `most ${Math.max(...tokens)}`,
  ].join(", ")
}
