/** Imports run one way, from the entry points down to the domain. This reads them and names each that does not. */
import { expect, it } from "vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

const source = fileURLToPath(new URL("../src", import.meta.url))

/** The floors of the house, lowest first: a module may import its own floor and those below. */
const floors: ReadonlyArray<ReadonlyArray<string>> = [
  ["Domain"],
  ["Storage", "Embedder"],
  ["EntityRepository", "EmbeddingQueue"],
  ["Models"],
  [
    "Chunker",
    "VectorIndex",
    "EntityOverlay",
    "EmbeddingWorker",
    "Maintenance",
    "JobProgress",
    "Doctor",
    "Backup",
    "InterfaceBoard",
    "EntityRegistry",
  ],
  ["Search", "Reembedding"],
  ["EntityService"],
  ["Adopting", "DirectorySync", "Codemod"],
  ["Cli", "Matrix", "Mcp"],
  ["Shell"],
  ["Testing"],
  ["index", "promise", "testing", "main", "bin"],
]

/** The room of a file: its folder below `src`, or its own name. */
const roomOf = (file: string) =>
  (Path.relative(source, file).split(Path.sep)[0] ?? "").replace(/\.[jt]s$/, "")

const floorOf = (room: string) => floors.findIndex((rooms) => rooms.includes(room))

const files = Fs.readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => Path.join(source, name))

it("every room has its floor", () => {
  expect([...new Set(files.map(roomOf))].filter((room) => floorOf(room) < 0)).toEqual([])
})

/** What a file imports of ours, types as well. */
const importsOf = (file: string) =>
  [...Fs.readFileSync(file, "utf8").matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)].map(([, target = ""]) =>
    Path.resolve(Path.dirname(file), target.replace(/\.js$/, ".ts")),
  )

it("no files import each other in a circle", () => {
  const imports = new Map(files.map((file) => [file, importsOf(file)]))
  const done = new Set<string>()
  const circles: Array<string> = []
  const walk = (file: string, way: ReadonlyArray<string>) => {
    if (way.includes(file)) {
      const circle = [...way.slice(way.indexOf(file)), file]
      circles.push(circle.map((one) => Path.relative(source, one)).join(" -> "))
      return
    }
    if (done.has(file)) return
    for (const target of imports.get(file) ?? []) walk(target, [...way, file])
    done.add(file)
  }
  for (const file of files) walk(file, [])
  expect(circles).toEqual([])
})

it("no import goes up", () => {
  const upwards = files.flatMap((file) =>
    importsOf(file).flatMap((target) =>
      floorOf(roomOf(target)) > floorOf(roomOf(file))
        ? [`${Path.relative(source, file)} imports ${Path.relative(source, target)}`]
        : [],
    ),
  )
  expect(files.length).toBeGreaterThan(50)
  expect(upwards).toEqual([])
})
