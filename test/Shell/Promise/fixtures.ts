/** What tests of the Promise face share: shells that end with their test, and an embedder that is held and broken at will. */
import { onTestFinished } from "vitest"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { createShell, type EmbeddingService, type Shell, type ShellOptions } from "embedbox/promise"

/** A path for a database that goes with the test. */
export const temporaryDatabase = (): string => {
  const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "embedbox-promise-"))
  onTestFinished(() => Fs.rmSync(folder, { recursive: true, force: true }))
  return Path.join(folder, "notes.sqlite")
}

/** A shell in memory with the fake embedder, where it is not told otherwise. */
export const shellWith = async (options: Partial<ShellOptions> = {}): Promise<Shell> => {
  const shell = await createShell({ database: ":memory:", model: "fake", logLevel: "none", ...options })
  onTestFinished(() => shell.stop())
  return shell
}

/** An embedder of a host's, and what it was asked. Each text is four numbers; `answer` may be changed at any time. */
interface HostEmbedder extends EmbeddingService {
  readonly asked: Array<string>
  answer: (texts: ReadonlyArray<string>, signal: AbortSignal) => Promise<ReadonlyArray<ArrayLike<number>>>
}

export const hostEmbedder = (): HostEmbedder => {
  const service: HostEmbedder = {
    model: "mine",
    dimensions: 4,
    asked: [],
    answer: async (texts) => texts.map((text) => [text.length, 1, 2, 3]),
    generateEmbeddings(texts, { signal }) {
      service.asked.push(...texts)
      return service.answer(texts, signal)
    },
  }
  return service
}

/** The error that a promise rejects with. */
export const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => {
      throw new Error("it did not reject")
    },
    (error: unknown) => error,
  )
