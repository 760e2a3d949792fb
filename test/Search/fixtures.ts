import * as Effect from "effect/Effect"
import type { SearchAnswer, SearchOptions } from "../../src/Domain/Search.js"
import { EntityService } from "../../src/EntityService.js"

export const search = (question: string, options?: SearchOptions) =>
  Effect.flatMap(EntityService, (service) => service.search(question, options))

export const idsOf = ({ results }: SearchAnswer) => results.map((result): string => result.entityId)

export const store = (contents: Readonly<Record<string, string>>, entityType = "base") =>
  Effect.gen(function* () {
    const service = yield* EntityService
    for (const [id, content] of Object.entries(contents)) {
      yield* service.createEntitySync({ id, content, entityType })
    }
  })

export const animals = {
  fox: "the quick brown fox jumps",
  dog: "a lazy dog sleeps all day",
  cat: "a quick cat sleeps",
}
