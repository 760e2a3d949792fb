/** Settings: a folder that the daemon keeps in step. */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { EntityType } from "../../Domain/Entity.js"
import * as Values from "../Values.js"
import type { TableOf } from "./Setting.js"

export interface Settings {
  readonly syncDir: string | undefined
  readonly syncTypes: ReadonlyArray<string>
  readonly syncDeletions: boolean
}

const isType = (text: string) => Either.isRight(Schema.decodeEither(EntityType)(text))

export const settings: TableOf<Settings> = {
  syncDir: {
    variable: "EMBEDBOX_SYNC_DIR",
    fallback: "none",
    meaning: "A folder of notes that the daemon keeps in step, both ways, as `embedbox sync --watch` does.",
    value: Values.orNone(Values.path),
  },
  syncTypes: {
    variable: "EMBEDBOX_SYNC_TYPES",
    fallback: "none",
    meaning: "Types whose notes lie in a folder of their own there.",
    value: Values.listOf("names of types", isType),
  },
  syncDeletions: {
    variable: "EMBEDBOX_SYNC_DELETIONS",
    fallback: "off",
    meaning: "Whether what is deleted on one side is deleted on the other.",
    value: Values.onOrOff,
  },
}
