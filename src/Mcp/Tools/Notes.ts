/** The tools on single notes: reading, listing, saving, changing and deleting them. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InvalidEntity } from "../../Domain/Errors.js"
import { EntityService, type EntityView, type WriteReceipt } from "../../EntityService.js"
import * as Parameters from "../Parameters.js"
import * as Telling from "../Telling.js"
import * as Tool from "../Tool.js"

/** Most characters of a text, most of metadata as JSON, and most notes of a list, in one answer. */
const characters = { most: 50_000, normal: 20_000 }
const mostMetadata = 16_000
const mostListed = 200

const read = (view: EntityView, from: number, most: number) => {
  const shown = Telling.stretch(view.content, from, most)
  const end = Math.min(from, view.content.length) + shown.length
  const left = view.content.length - end
  const metadata = JSON.stringify(view.metadata)
  return {
    ...Telling.listed(view),
    created: Telling.time(view.created),
    ...(metadata.length <= mostMetadata
      ? { metadata: view.metadata }
      : { metadata_cut: `It has ${metadata.length} characters as JSON and is left out.` }),
    content: shown,
    from: Math.min(from, view.content.length),
    is_cut: left > 0,
    ...(left > 0 ? { note: `${left} more characters: call read_note with from = ${end}.` } : {}),
  }
}

/** `type/id`; ids may have slashes, types have none. */
const placeOf = (text: string) => {
  const at = text.indexOf("/")
  return at < 1
    ? new InvalidEntity({ field: "after", reason: "takes type/id, as `next` of the page before gives it" })
    : Effect.succeed({ entityType: text.slice(0, at), entityId: text.slice(at + 1) })
}

const changed = ({ change, entityId, jobId }: WriteReceipt) => ({
  id: entityId,
  change,
  job: jobId,
  note:
    change === "unchanged"
      ? "Nothing differs from what is there."
      : "It is saved, and its new words are found at once; by meaning it is found when the job is done.",
})

export const make = Effect.gen(function* () {
  const service = yield* EntityService

  const readNote = Tool.make(
    {
      name: "read_note",
      title: "Read a note",
      description:
        "The newest text of a note with its metadata, embedded or not. A long text is cut: `is_cut` says so, and `from` goes on.",
      needs: "public",
      nature: "reads",
      parameters: Schema.Struct({
        id: Parameters.id,
        type: Parameters.type,
        from: Parameters.whole("Where in the text to begin, in UTF-16 units,", 0, 10_000_000, 0),
        characters: Parameters.whole("How much of the text,", 1, characters.most, characters.normal),
      }),
    },
    (given) =>
      Effect.map(service.getEntity(given.id, given.type), (view) => read(view, given.from, given.characters)),
  )

  const listNotes = Tool.make(
    {
      name: "list_notes",
      title: "List notes",
      description: "Notes in the order of type and id, embedded or not, without their texts. `next` goes on.",
      needs: "public",
      nature: "reads",
      parameters: Schema.Struct({
        types: Parameters.types("Only notes of these types."),
        after: Parameters.optionalText("`next` of the page before: type/id."),
        limit: Parameters.whole("How many at most,", 1, mostListed, 50),
      }),
    },
    (given) =>
      Effect.gen(function* () {
        const after = given.after === undefined ? undefined : yield* placeOf(given.after)
        // One more than is shown tells whether there are more.
        const page = yield* service.listEntities({
          entityTypes: given.types,
          after,
          limit: given.limit + 1,
        })
        const shown = page.slice(0, given.limit)
        const last = shown.at(-1)
        return {
          notes: shown.map(Telling.listed),
          next: page.length > shown.length && last !== undefined ? `${last.entityType}/${last.id}` : null,
        }
      }),
  )

  const addNote = Tool.make(
    {
      name: "add_note",
      title: "Save a note",
      description:
        "Save a new note. It is safe when this returns and found by its words at once; its embedding is made in the " +
        "background, and job_status follows it.",
      needs: "trusted",
      nature: "adds",
      parameters: Schema.Struct({
        content: Parameters.content,
        id: Parameters.newId,
        type: Parameters.newType,
        title: Parameters.optionalText("A title, where the first heading is not it."),
        metadata: Parameters.metadata(""),
      }),
    },
    (given) =>
      Effect.map(
        service.createEntity({
          id: given.id,
          entityType: given.type,
          content: given.content,
          metadata: { ...given.metadata, ...(given.title === undefined ? {} : { title: given.title }) },
        }),
        ({ entityId, jobId }) => ({
          id: entityId,
          job: jobId,
          note: "It is saved and found by its words at once; by meaning it is found when the job is done.",
        }),
      ),
  )

  const updateNote = Tool.make(
    {
      name: "update_note",
      title: "Change a note",
      description:
        "Replace the text of a note, its metadata, or both. What is not given stays. A given text or metadata takes the " +
        "place of the whole: read the note first, and all of it where it is cut.",
      needs: "trusted",
      nature: "changes",
      parameters: Schema.Struct({
        id: Parameters.id,
        type: Parameters.type,
        content: Schema.optionalWith(Parameters.content, { exact: true }),
        metadata: Parameters.metadata(" Takes the place of all that is there."),
      }),
    },
    ({ content, id, metadata, type }) =>
      content === undefined && metadata === undefined
        ? new InvalidEntity({ field: "content", reason: "give a new text, new metadata, or both" })
        : Effect.map(service.updateEntity(id, { content, metadata }, type), changed),
  )

  const deleteNote = Tool.make(
    {
      name: "delete_note",
      title: "Delete a note",
      description: "Delete a note, embedded or not, and stop what works on it. There is no way back.",
      needs: "owner",
      nature: "deletes",
      parameters: Schema.Struct({ id: Parameters.id, type: Parameters.type }),
    },
    ({ id, type }) => Effect.as(service.deleteEntity(id, type), { id, deleted: true }),
  )

  return [readNote, listNotes, addNote, updateNote, deleteNote]
})
