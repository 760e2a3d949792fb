/** What Tab offers in a session: the commands, and the ids of notes where a command takes one. */
import * as Effect from "effect/Effect"
import { defaultEntityType } from "../../Domain/Entity.js"
import type { EntityService } from "../../EntityService.js"
import type { Worded } from "../Interpreter.js"
import type { Complete } from "./Prompt.js"

/** Ids that are looked through: those behind what is typed, in their order. */
const glance = 50

export const of =
  (commands: ReadonlyArray<Worded>, service: typeof EntityService.Service): Complete =>
  (line) =>
    Effect.gen(function* () {
      const [, name, word] = /^\/(\S*)(?:\s+(?:.*\s)?(\S*))?$/u.exec(line) ?? []
      if (name === undefined) return [[], line] as const
      if (word === undefined) {
        const fitting = commands.filter((command) => command.name.startsWith(name))
        return [fitting.map((command) => `/${command.name} `), line] as const
      }
      const takesId = commands.some((command) => command.name === name && command.usage.includes("<id"))
      if (!takesId) return [[], word] as const
      // An id may be the word itself, which is not behind it.
      const after = word === "" ? undefined : { entityType: defaultEntityType, entityId: word.slice(0, -1) }
      const notes = yield* service.listEntities({ entityTypes: [defaultEntityType], after, limit: glance })
      return [notes.map(({ id }) => id).filter((id) => id.startsWith(word)), word] as const
    }).pipe(Effect.orElseSucceed(() => [[], line] as const))
