/** `embedbox serve`: the daemon, with the settings of the command line. */
import * as Effect from "effect/Effect"
import { Access } from "./Access.js"

export const run = () => Effect.flatMap(Access, (access) => access.daemon)
