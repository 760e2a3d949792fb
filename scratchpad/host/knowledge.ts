/**
 * A small knowledge shell: it keeps what it is told and finds it again. A chat bot hands it line by line what people
 * write (`add`, `note`, `find`, `show`, `count`), and it answers with a line.
 */
import { type Model, openEntities } from "./legacy.js"

/** A shell that is open. */
export interface Knowledge {
  /** The answer to a line. */
  readonly say: (line: string) => Promise<string>
  /** Saves many texts, and answers how many. */
  readonly importAll: (texts: ReadonlyArray<string>) => Promise<number>
  readonly close: () => Promise<void>
}

/** Where the shell keeps things, and what makes its vectors. */
export interface Options {
  readonly database: string
  readonly model: Model
}

const firstLine = (text: string) => text.split("\n", 1)[0] ?? ""

/** Opens the shell. */
export const openKnowledge = async ({ database, model }: Options): Promise<Knowledge> => {
  const entities = openEntities(database, model)

  const add = async (content: string) => {
    const entity = await entities.createEntity({ content })
    return `saved as ${entity.id}`
  }

  /** Saves a text and tells what else there is on its subject. */
  const note = async (content: string) => {
    const entity = await entities.createEntity({ content })
    const near = await entities.search(entity.content, 2)
    const other = near.find(({ id }) => id !== entity.id)
    return other === undefined
      ? `saved as ${entity.id}`
      : `saved as ${entity.id}; see also ${other.id}: ${firstLine(other.content)}`
  }

  const find = async (question: string) => {
    const [best] = await entities.search(question, 1)
    return best === undefined ? "nothing found" : `${best.id}: ${firstLine(best.content)}`
  }

  const show = async (id: string) => {
    const entity = await entities.getEntity(id)
    return entity === undefined ? `there is no ${id}` : entity.content
  }

  const say = async (line: string) => {
    const [word = "", ...rest] = line.split(" ")
    const text = rest.join(" ").trim()
    if (word === "count") return `${await entities.countEntities()} notes`
    if (text === "") return "say: add <text>, note <text>, find <question>, show <id> or count"
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
    close: async () => entities.close(),
  }
}
