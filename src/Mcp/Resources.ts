/** Notes as resources: `embedbox://type/id`, for clients that let people attach them to what they ask. */
import * as McpSchema from "@effect/ai/McpSchema"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { EntityService } from "../EntityService.js"
import * as Telling from "./Telling.js"

/** Most of a text, in UTF-16 units. */
const most = 200_000

export const template = new McpSchema.ResourceTemplate({
  uriTemplate: "embedbox://{type}/{+id}",
  name: "note",
  title: "A note",
  description: `The newest text of a note, at most ${most} characters of it; a slash of its id stays as it is.`,
  mimeType: "text/markdown",
})

const decoded = Option.liftThrowable(decodeURIComponent)

/** What an address names. */
const keyOf = (uri: string) => {
  const [, type = "", id = ""] = /^embedbox:\/\/([^/]+)\/([^]+)$/.exec(uri) ?? []
  return Option.filter(Option.all([decoded(type), decoded(id)]), ([type, id]) => type !== "" && id !== "")
}

export const make = Effect.gen(function* () {
  const service = yield* EntityService

  return (uri: string) =>
    Effect.gen(function* () {
      const key = keyOf(uri)
      if (Option.isNone(key)) {
        return yield* new McpSchema.InvalidParams({
          message: `There is no such resource: notes are embedbox://type/id, such as embedbox://base/todo`,
        })
      }
      const [type, id] = key.value
      const view = yield* Effect.mapError(service.getEntity(id, type), (error) =>
        error._tag === "StorageError"
          ? new McpSchema.InternalError({ message: Telling.failure(error) })
          : new McpSchema.InvalidParams({ message: Telling.failure(error) }),
      )
      const shown = Telling.stretch(view.content, 0, most)
      const left = view.content.length - shown.length
      return {
        contents: [
          {
            uri,
            mimeType: "text/markdown",
            text:
              left === 0
                ? shown
                : `${shown}\n\n[Cut: ${left} more characters. The tool read_note gives them, from = ${shown.length}.]`,
          },
        ],
      }
    })
})
