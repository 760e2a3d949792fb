/**
 * Folders that are to be there. They are made one by one: Node's own `recursive` never returns where the parent is there
 * and says that it is not, as `/proc` does.
 */
import { existsSync, mkdirSync } from "node:fs"
import { dirname } from "node:path"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"

const isThere = (cause: unknown) => Predicate.hasProperty(cause, "code") && cause.code === "EEXIST"

/** Makes a folder and those above it. */
export const make = (folder: string): Effect.Effect<void, { readonly cause: unknown }> =>
  Effect.suspend(() =>
    existsSync(folder)
      ? Effect.void
      : Effect.zipRight(
          make(dirname(folder)),
          Effect.try({ try: () => mkdirSync(folder), catch: (cause) => ({ cause }) }),
        ),
  ).pipe(
    // Another process may have been quicker.
    Effect.catchIf(
      ({ cause }) => isThere(cause),
      () => Effect.void,
    ),
  )
