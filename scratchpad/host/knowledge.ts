/**
 * A small knowledge shell: it keeps what it is told and finds it again. A chat bot hands it line by line what people
 * write (`add`, `note`, `find`, `show`, `count`), and it answers with a line.
 */
import { createShell, EmbedboxError } from "embedbox/promise"
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

  const add = async (content: string) => {
    const entity = await entities.createEntity({ content })
    return `saved as ${entity.entityId}`
  }

  /** Saves a text and tells what else there is on its subject. */
  const note = async (content: string) => {
    const entity = await entities.createEntitySync({ content })
    const near = await entities.search(entity.content, { limit: 2 })
    const other = near.results.find(({ entityId }) => entityId !== entity.id)
    return other === undefined
      ? `saved as ${entity.id}`
      : `saved as ${entity.id}; see also ${other.entityId}: ${firstLine(other.excerpt)}`
  }

  const find = async (question: string) => {
    const { results } = await entities.search(question, { limit: 1 })
    const [best] = results
    return best === undefined ? "nothing found" : `${best.entityId}: ${firstLine(best.excerpt)}`
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

  const say = async (line: string) => {
    const [word = "", ...rest] = line.split(" ")
    const text = rest.join(" ").trim()
    if (word === "count") return count()
    if (text === "") return "say: add <text>, note <text>, find <question>, show <id> or count"
    if (word === "add") return add(text)
    if (word === "note") return note(text)
    if (word === "find") return find(text)
    if (word === "show") return show(text)
    return `I do not know "${word}"`
  }

  return {
    say,
    takenOver,
    importAll: async (texts) => {
      for (const content of texts) await entities.createEntity({ content })
      return texts.length
    },
    close: () => entities.stop(),
  }
}
