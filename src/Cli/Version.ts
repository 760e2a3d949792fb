/** The version of this package, read from the one place that states it. */
import { createRequire } from "node:module"
import * as Schema from "effect/Schema"

const Package = Schema.Struct({ version: Schema.String })

export const { version } = Schema.decodeUnknownSync(Package)(
  createRequire(import.meta.url)("../../package.json"),
)
