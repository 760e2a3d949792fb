/**
 * A small knowledge shell: it keeps what it is told and finds it again. A chat bot hands it line by line what people
 * write (`add`, `note`, `find`, `show`, `count`, `jobs`, `retry`), and it answers with a line.
 */
import { createShell, EmbedboxError, type Shell } from "embedbox/promise"
import type { Model } from "./legacy.js"

/** A shell that is open. */
export interface Knowledge {
  /** The answer to a line. */
  readonly say: (line: string) => Promise<string>
  /** Saves many texts, and answers how many. */
  readonly importAll: (texts: ReadonlyArray<string>) => Promise<number>
  /** How many notes of before have been taken over, once all are; they are found meanwhile as they come. */
  readonly takenOver: Promise<number>
  readonly close: () => Promise<void>
}

/** Where the shell keeps things, and what makes its vectors: Embedbox's own model where nothing is said. */
export interface Options {
  readonly database: string
  /** The database of before, whose notes are taken over. */
  readonly former?: string
  readonly model?: Model
}

const firstLine = (text: string) => text.split("\n", 1)[0] ?? ""

/** How long somebody who writes a note waits for what goes with it, in milliseconds. */
const patience = 10_000

/** The shell over what keeps its entities. */
export const knowledgeOver = (entities: Shell): Pick<Knowledge, "say" | "importAll"> => {
  const add = async (content: string) => {
    const entity = await entities.createEntity({ content })
    return `saved as ${entity.entityId}`
  }

  /** Saves a text and tells what else there is on its subject, if that is known before the writer has lost patience. */
  const note = async (content: string) => {
    const { entityId, jobId } = await entities.createEntity({ content })
    const saved = `saved as ${entityId}`
    try {
      await entities.awaitSearchable(jobId, patience)
    } catch (error) {
      const isMissing =
        error instanceof EmbedboxError && ["NOT_SEARCHABLE", "JOB_FAILED"].includes(error.code)
      if (isMissing) return saved
      throw error
    }
    const { results } = await entities.related(entityId, { limit: 1 })
    const [other] = results
    return other === undefined ? saved : `${saved}; see also ${other.entityId}: ${firstLine(other.excerpt)}`
  }

  const find = async (question: string) => {
    const { pending, results } = await entities.search(question, { limit: 1 })
    const [best] = results
    const found = best === undefined ? "nothing found" : `${best.entityId}: ${firstLine(best.excerpt)}`
    return pending === 0 ? found : `${found} (${pending} not embedded yet)`
  }

  const show = async (id: string) => {
    try {
      return (await entities.getEntity(id)).content
    } catch (error) {
      if (error instanceof EmbedboxError && error.code === "ENTITY_NOT_FOUND") return `there is no ${id}`
      throw error
    }
  }

  const count = async () => {
    const { failed, pending, ready } = await entities.indexStatus()
    return `${ready + pending + failed} notes`
  }

  const jobs = async () => {
    const { failed, pending, processing } = await entities.queue.getStats()
    return `${pending + processing} wait, ${failed} failed`
  }

  const retry = async () => `${await entities.queue.retryFailed()} are tried again`

  const say = async (line: string) => {
    const [word = "", ...rest] = line.split(" ")
    const text = rest.join(" ").trim()
    if (word === "count") return count()
    if (word === "jobs") return jobs()
    if (word === "retry") return retry()
    if (text === "") return "say: add <text>, note <text>, find <question>, show <id>, count, jobs or retry"
    if (word === "add") return add(text)
    if (word === "note") return note(text)
    if (word === "find") return find(text)
    if (word === "show") return show(text)
    return `I do not know "${word}"`
  }

  return {
    say,
    importAll: async (texts) => {
      for (const content of texts) await entities.createEntity({ content })
      return texts.length
    },
  }
}

/** Opens the shell. */
export const openKnowledge = async ({ database, former, model }: Options): Promise<Knowledge> => {
  const entities = await createShell({
    database,
    ...(model === undefined
      ? {}
      : {
          embedder: {
            model: "the host's",
            dimensions: model.dimensions,
            generateEmbeddings: model.embed,
          },
        }),
  })

  await entities.start()

  const takeOver = async (file: string) => {
    const { saved, skipped } = await entities.adopt(file, {
      table: "notes",
      id: "id",
      content: "body",
      created: "created",
    })
    for (const { key, reason } of skipped) console.warn(`not taken over: ${key}: ${reason}`)
    return saved
  }
  const takenOver = former === undefined ? Promise.resolve(0) : takeOver(former)

  return { ...knowledgeOver(entities), takenOver, close: () => entities.stop() }
}
