/** `!search`, `!related`, `!get`, `!list` and `!more`: what is long is cut, and `!more` goes on where it was. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { defaultEntityType } from "../../Domain/Entity.js"
import type { SearchAnswer, SearchResult } from "../../Domain/Search.js"
import { EntityNotFound } from "../../Domain/Errors.js"
import { clipped, titleOf } from "../../Domain/Text.js"
import { EntityService, type EntityView } from "../../EntityService.js"
import type { Cursor, Cursors } from "../Cursors.js"
import { type Failure, type Handler, Refused, type Reply } from "../Handler.js"
import { isEventId, isRoomId, permalink } from "../Ids.js"
import * as Message from "../Message.js"
import { bold, code, lines, say, type Text } from "../Message.js"
import * as Wording from "../Wording.js"

/** Results, notes and characters of a note in one message. */
const results = 5
const notes = 15
const characters = 4_000

/** Most that a search can be asked for. */
const mostResults = 100

const more = (what: string) => say`${what}: ${code("!more")}`

/** An id as it is told and taken: with its type where that is not the usual one. */
const referenceOf = ({ entityId, entityType }: { readonly entityType: string; readonly entityId: string }) =>
  code(entityType === defaultEntityType ? entityId : `${entityType}/${entityId}`)

/** The id of a note behind its title, where that is not the id itself. */
const idBeside = (title: string, key: { readonly entityType: string; readonly entityId: string }): Text =>
  title === key.entityId && key.entityType === defaultEntityType
    ? Message.nothing
    : say` · ${referenceOf(key)}`

/** Where a note came from, if that is somewhere on the web or in a room. */
const originOf = ({ metadata }: EntityView): string => {
  const { event, room, source, url } = metadata
  if (typeof url === "string") return url
  if (source === "matrix" && typeof room === "string" && typeof event === "string") {
    return isRoomId(room) && isEventId(event) ? permalink(room, event) : ""
  }
  return typeof source === "string" ? source : ""
}

const blindSpots = (answer: SearchAnswer): Text =>
  lines(
    answer.notice === undefined ? Message.nothing : say`Note: ${answer.notice}.`,
    answer.pending === 0 || answer.mode === "lexical"
      ? Message.nothing
      : say`${Wording.counted(answer.pending, "note")} not embedded yet: found by words only, or by older text.`,
    answer.failed === 0 || answer.mode === "lexical"
      ? Message.nothing
      : say`${Wording.counted(answer.failed, "note")} could not be embedded: found by words only.`,
  )

/** The excerpt without the title, which stands above it. */
const restOf = ({ excerpt, title }: SearchResult): string => {
  const text = excerpt.replace(/^#{1,6} /, "")
  return text.startsWith(title) ? text.slice(title.length).trim() : text
}

/** The place in the text from which to go on: never within a character. */
const cutAt = (text: string, from: number) => {
  const end = Math.min(text.length, from + characters)
  const last = text.charCodeAt(end - 1)
  return end < text.length && last >= 0xd800 && last <= 0xdbff ? end - 1 : end
}

export const make = (cursors: Cursors) =>
  Effect.gen(function* () {
    const service = yield* EntityService

    /** A note by its id, or by `<type>/<id>`. */
    const find = (reference: string) => {
      const [, entityType, entityId] = /^([^/]+)\/([^]+)$/.exec(reference) ?? []
      return service.getEntity(reference).pipe(
        Effect.catchIf(
          (error) => error._tag !== "StorageError" && entityType !== undefined && entityId !== undefined,
          (first) =>
            Effect.mapError(service.getEntity(entityId ?? "", entityType), (error) =>
              error._tag === "StorageError" ? error : first,
            ),
        ),
        // As it was written, in bounds.
        Effect.mapError((error) =>
          error._tag === "EntityNotFound"
            ? new EntityNotFound({ entityType: error.entityType, entityId: clipped(reference, 80) })
            : error,
        ),
      )
    }

    const resultOf = (result: SearchResult) =>
      Effect.map(
        Effect.option(service.getEntity(result.entityId, result.entityType)),
        (view): Text =>
          lines(
            say`${bold(Message.link(result.title, Option.match(view, { onNone: () => "", onSome: originOf })))} · ${result.score.toFixed(2)}${idBeside(result.title, result)}${Wording.stateOf(result.embedding)}`,
            Message.words(restOf(result)),
          ),
      )

    /** One more than is shown tells whether there are more. */
    const limitFrom = (from: number) => Math.min(mostResults, from + results + 1)

    const told = (answer: SearchAnswer, from: number, goOn: (shown: number) => Cursor) =>
      Effect.gen(function* () {
        const shown = answer.results.slice(from, from + results)
        const end = from + shown.length
        const found = yield* Effect.forEach(shown, resultOf)
        const hasMore = answer.results.length > end
        const reply: Reply = {
          effect: "searched",
          text:
            found.length === 0
              ? lines(say`${from === 0 ? "Nothing found." : "That was all."}`, blindSpots(answer))
              : lines(
                  Message.numbered(found, from + 1),
                  hasMore ? more("There is more") : Message.nothing,
                  blindSpots(answer),
                ),
          cursor: hasMore ? goOn(end) : undefined,
        }
        return reply
      })

    const search = (question: string, from: number): Effect.Effect<Reply, Failure> =>
      Effect.flatMap(service.search(question, { limit: limitFrom(from) }), (answer) =>
        told(answer, from, (shown) => ({ kind: "search", question, shown })),
      )

    const related = (entityType: string, entityId: string, from: number): Effect.Effect<Reply, Failure> =>
      Effect.flatMap(service.related(entityId, { entityType, limit: limitFrom(from) }), (answer) =>
        told(answer, from, (shown) => ({ kind: "related", entityType, entityId, shown })),
      )

    const list = (after: Extract<Cursor, { kind: "list" }> | undefined): Effect.Effect<Reply, Failure> =>
      Effect.gen(function* () {
        const page = yield* service.listEntities({ after, limit: notes + 1 })
        const shown = page.slice(0, notes)
        const last = shown.at(-1)
        const start = after?.shown ?? 0
        const hasMore = page.length > notes
        return {
          effect: "listed",
          text:
            last === undefined
              ? say`${start === 0 ? "There are no notes yet." : "That was all."}`
              : lines(
                  Message.numbered(
                    shown.map((view) => {
                      const reference = referenceOf({ entityType: view.entityType, entityId: view.id })
                      const title = titleOf(view)
                      return title === view.id
                        ? say`${reference}${Wording.stateOf(view.embedding)}`
                        : say`${bold(title)} · ${reference}${Wording.stateOf(view.embedding)}`
                    }),
                    start + 1,
                  ),
                  hasMore ? more("There are more") : Message.nothing,
                ),
          cursor:
            hasMore && last !== undefined
              ? { kind: "list", entityType: last.entityType, entityId: last.id, shown: start + shown.length }
              : undefined,
        }
      })

    const show = (view: EntityView, from: number): Reply => {
      const end = cutAt(view.content, from)
      const key = { entityType: view.entityType, entityId: view.id }
      const isCut = end < view.content.length
      return {
        effect: `showed ${view.id}`,
        text: lines(
          from === 0
            ? say`${bold(Message.link(titleOf(view), originOf(view)))}${idBeside(titleOf(view), key)} · ${DateTime.formatIsoDateUtc(DateTime.unsafeMake(view.updated))}${Wording.stateOf(view.embedding)}`
            : Message.nothing,
          Message.block(view.content.slice(from, end)),
          isCut ? more(`${view.content.length - end} more characters`) : Message.nothing,
        ),
        cursor: isCut
          ? { kind: "get", entityType: view.entityType, entityId: view.id, from: end }
          : undefined,
      }
    }

    const goOn = (cursor: Cursor): Effect.Effect<Reply, Failure> => {
      switch (cursor.kind) {
        case "search":
          return search(cursor.question, cursor.shown)
        case "related":
          return related(cursor.entityType, cursor.entityId, cursor.shown)
        case "list":
          return list(cursor)
        case "get":
          return Effect.map(service.getEntity(cursor.entityId, cursor.entityType), (view) =>
            show(view, cursor.from),
          )
      }
    }

    const read =
      (make: (...given: Parameters<Handler>) => Effect.Effect<Reply, Failure>): Handler =>
      (request) =>
        Effect.map(make(request), Effect.succeed)

    type Subject = (request: Parameters<Handler>[0]) => Effect.Effect<string, Failure>

    return {
      find,
      search: read(({ command }) =>
        command.rest === ""
          ? new Refused({ reason: "Say what to look for: !search <question>" })
          : search(command.rest, 0),
      ),
      related: (subject: Subject) =>
        read((request) =>
          Effect.flatMap(Effect.flatMap(subject(request), find), (view) =>
            related(view.entityType, view.id, 0),
          ),
        ),
      get: (subject: Subject) =>
        read((request) => Effect.map(Effect.flatMap(subject(request), find), (view) => show(view, 0))),
      list: read(() => list(undefined)),
      more: read(({ event, roomId }) =>
        Effect.flatMap(
          cursors.get(roomId, event.sender),
          Option.match({
            onNone: () => new Refused({ reason: "There is nothing to go on with." }),
            onSome: goOn,
          }),
        ),
      ),
    }
  })
