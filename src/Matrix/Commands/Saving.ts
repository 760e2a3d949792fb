/** `!add`: a text, the message that is replied to, or a file. What was said where stays with the note. */
import * as Effect from "effect/Effect"
import { maxContentBytes } from "../../Domain/Entity.js"
import { clipped, headingOf } from "../../Domain/Text.js"
import { extensions } from "../../DirectorySync.js"
import { EmbeddingQueue } from "../../EmbeddingQueue.js"
import { EntityService } from "../../EntityService.js"
import * as Events from "../Events.js"
import { type Failure, type Handler, Refused, type Request } from "../Handler.js"
import { mxcOf } from "../Ids.js"
import type { Session } from "../Session.js"
import * as Wording from "../Wording.js"

/** What is to be saved, and where it was said. */
interface Source {
  readonly content: string
  readonly eventId: string
  readonly sender: string
  readonly filename: string | undefined
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

const refused = (reason: string) => new Refused({ reason })

const longestTitle = 80

/** A title for what has no heading: the name of its file, or its first line. */
const titleOf = ({ content, filename }: Source): string | undefined => {
  if (headingOf(content) !== undefined) return undefined
  return clipped(filename ?? content.trim().split("\n", 1)[0] ?? "", longestTitle)
}

/** Why nothing can be embedded at the moment; nothing where it can. */
export const hindrance = Effect.gen(function* () {
  const queue = yield* EmbeddingQueue
  if ((yield* queue.workAhead).paused) return "the queue is paused"
  const workers = (yield* queue.workers).filter(({ alive }) => alive)
  if (workers.length === 0) return "nobody works on the queue"
  const open = workers.flatMap(({ provider }) => (provider.state === "open" ? [provider.reason] : []))
  return open.length === workers.length
    ? `the model cannot be reached (${clipped(open[0] ?? "", 200)})`
    : undefined
})

export const make = (session: Session) =>
  Effect.gen(function* () {
    const service = yield* EntityService
    const queue = yield* EmbeddingQueue

    const fileOf = (message: Events.Message): Effect.Effect<string, Failure> =>
      Effect.gen(function* () {
        const name = message.filename ?? message.body
        if (!extensions.some((extension) => name.toLowerCase().endsWith(extension))) {
          return yield* refused(
            `I save text files only (${extensions.join(", ")}), and this is ${clipped(name, 100)}.`,
          )
        }
        if (message.isEncryptedFile) {
          return yield* refused(
            "This file is encrypted, and I cannot read it: send it in a room without encryption.",
          )
        }
        const mxc = mxcOf(message.url ?? "")
        if (mxc === undefined) return yield* refused("This message names no file that I could fetch.")
        const bytes = yield* session
          .call((client, token) => client.download(token, mxc, maxContentBytes))
          .pipe(
            Effect.catchTag("MatrixError", (error) =>
              refused(
                error.errcode === "M_NOT_FOUND"
                  ? `The homeserver does not have the file ${clipped(name, 100)} (any more). Nothing was saved.`
                  : `The file ${clipped(name, 100)} could not be fetched (${clipped(error.message, 200)}). Nothing was saved.`,
              ),
            ),
          )
        if (bytes === "too large") {
          return yield* refused(`This file is too large: at most ${maxContentBytes} bytes are taken.`)
        }
        return yield* Effect.try({
          try: () => utf8.decode(bytes),
          catch: () => refused("This file is not valid UTF-8, so it is no text that I could save."),
        })
      })

    const ofMessage = (event: Events.RoomEvent, message: Events.Message): Effect.Effect<Source, Failure> =>
      Effect.gen(function* () {
        const from = { eventId: event.event_id, sender: event.sender }
        if (message.msgtype === "m.file") {
          const name = message.filename ?? message.body
          return { ...from, filename: name, content: yield* fileOf(message) }
        }
        if (!["m.text", "m.notice", "m.emote"].includes(message.msgtype)) {
          return yield* refused("I can save text messages and text files, and this message is neither.")
        }
        return { ...from, filename: undefined, content: Events.spoken(message) }
      })

    /** The message that was replied to, as the homeserver has it: what a client quotes may be made up. */
    const repliedTo = (roomId: string, eventId: string): Effect.Effect<Source, Failure> =>
      Effect.gen(function* () {
        const found = yield* session
          .call((client, token) => client.event(token, roomId, eventId))
          .pipe(
            Effect.catchIf(
              (error) => error._tag === "MatrixError" && (error.status === 404 || error.status === 403),
              () => refused("I cannot see the message that you replied to."),
            ),
          )
        if (found.room_id !== undefined && found.room_id !== roomId) {
          return yield* refused("The message that you replied to is not in this room.")
        }
        if (found.type === "m.room.encrypted") {
          return yield* refused("The message that you replied to is encrypted, and I cannot read it.")
        }
        const content = Events.newestContent(found)
        if (found.type !== "m.room.message" || content["msgtype"] === undefined) {
          return yield* refused("There is nothing to save in the message that you replied to.")
        }
        return yield* ofMessage(found, Events.messageOf(content))
      })

    const sourceOf = ({ command, event, message, roomId }: Request): Effect.Effect<Source, Failure> => {
      if (message.msgtype === "m.file") return ofMessage(event, message)
      if (command.rest !== "") {
        return Effect.succeed({
          content: command.rest,
          eventId: event.event_id,
          sender: event.sender,
          filename: undefined,
        })
      }
      return message.repliesTo === undefined
        ? refused("Say what to save: !add <text>, or !add as a reply to a message, or with a text file.")
        : repliedTo(roomId, message.repliesTo)
    }

    const add: Handler = (request) =>
      Effect.gen(function* () {
        const source = yield* sourceOf(request)
        const waits = yield* Effect.provideService(hindrance, EmbeddingQueue, queue)
        const title = titleOf(source)
        return Effect.gen(function* () {
          const { entityId, jobId } = yield* service.createEntity({
            content: source.content,
            metadata: {
              source: "matrix",
              room: request.roomId,
              event: source.eventId,
              sender: source.sender,
              ...(title === undefined ? {} : { title }),
              ...(source.filename === undefined ? {} : { file: clipped(source.filename, 255) }),
            },
          })
          const facts = {
            kind: "receipt",
            verb: "saved",
            title: clipped(title ?? headingOf(source.content) ?? entityId, longestTitle),
            entityType: "base",
            entityId,
            jobId,
          } as const
          return {
            effect: `saved ${entityId}`,
            text: Wording.receipt(facts, waits),
            follow: { facts, jobs: [jobId], entering: false },
          }
        })
      })

    return { add }
  })
