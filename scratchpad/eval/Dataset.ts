/** A judged set in the layout of BEIR, and its corpus as a folder of notes. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

export interface Dataset {
  readonly name: string
  readonly documents: ReadonlyArray<{ readonly id: string; readonly text: string }>
  readonly queries: ReadonlyArray<{ readonly id: string; readonly text: string }>
  /** Of each question, its documents and how well they answer it, above 0. */
  readonly judged: ReadonlyMap<string, ReadonlyMap<string, number>>
}

const Line = Schema.parseJson(
  Schema.Struct({
    _id: Schema.String,
    title: Schema.optional(Schema.String),
    text: Schema.String,
  }),
)

const lines = (file: string) =>
  Fs.readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")

const texts = (file: string) =>
  lines(file).map((line) => {
    const { _id: id, text, title } = Schema.decodeSync(Line)(line)
    return { id, text: title === undefined || title.trim() === "" ? text : `# ${title}\n\n${text}` }
  })

export const read = (folder: string): Dataset => {
  const judged = new Map<string, Map<string, number>>()
  const [first = "", ...rows] = lines(Path.join(folder, "qrels.tsv"))
  for (const row of first.startsWith("query-id") ? rows : [first, ...rows]) {
    const [query = "", document = "", score = "0"] = row.split("\t")
    if (Number(score) <= 0) continue
    const known = judged.get(query) ?? new Map<string, number>()
    judged.set(query, known.set(document, Number(score)))
  }
  return {
    name: Path.basename(Path.resolve(folder)),
    documents: texts(Path.join(folder, "corpus.jsonl")),
    // One that nothing answers cannot be answered well.
    queries: texts(Path.join(folder, "queries.jsonl")).filter(({ id }) => judged.has(id)),
    judged,
  }
}

/** Writes a corpus as files, and answers which document each note is. */
export const write = ({ documents }: Dataset, folder: string): ReadonlyMap<string, string> => {
  Fs.mkdirSync(folder, { recursive: true })
  return new Map(
    documents.map(({ id, text }, at) => {
      const name = `note-${at}`
      Fs.writeFileSync(Path.join(folder, `${name}.md`), text)
      return [name, id]
    }),
  )
}

const isSet = (folder: string) => Fs.existsSync(Path.join(folder, "corpus.jsonl"))

/** The folders that are asked for: that of `--dataset`, else every set in EMBEDBOX_EVAL or beside the checkout. */
export const chosen = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const at = args.indexOf("--dataset")
    if (at >= 0) return [args[at + 1] ?? ""]
    const given = yield* Config.withDefault(Config.string("EMBEDBOX_EVAL"), "")
    const root = given || fileURLToPath(new URL("../../../shared/eval", import.meta.url))
    if (!Fs.existsSync(root)) return []
    return Fs.readdirSync(root)
      .toSorted()
      .map((name) => Path.join(root, name))
      .filter(isSet)
  })
