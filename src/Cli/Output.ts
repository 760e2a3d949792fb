/**
 * The documents that commands print with `--json`, as Schemas. They are an interface of their own: a script that
 * reads them must not break because a domain type gained a field, so every field is named here. Fields are added,
 * never renamed or removed.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export * from "./Output/Care.js"
export * from "./Output/Folders.js"
export * from "./Output/Hosts.js"
export * from "./Output/Jobs.js"
export * from "./Output/Notes.js"

/** Prints one document as one line. */
export const print = <A, I>(schema: Schema.Schema<A, I>, value: A): Effect.Effect<void> =>
  Effect.flatMap(Effect.orDie(Schema.encode(Schema.parseJson(schema))(value)), Console.log)
