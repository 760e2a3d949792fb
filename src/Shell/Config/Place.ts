/** Settings: where notes and models are, and which model. */
import * as Values from "../Values.js"
import type { TableOf } from "./Setting.js"

export interface Settings {
  readonly database: string
  readonly model: Values.ModelName
  readonly cacheDir: string
}

export const settings: TableOf<Settings> = {
  database: {
    variable: "EMBEDBOX_DATABASE",
    fallback: "~/.local/share/embedbox/embedbox.sqlite",
    meaning: "The SQLite file; its folder is made when missing. `XDG_DATA_HOME` moves the default.",
    value: Values.path,
  },
  model: {
    variable: "EMBEDBOX_MODEL",
    fallback: "all-MiniLM-L6-v2",
    meaning: "The embedding model. The default ships with the package; the bge models are downloaded once.",
    value: Values.modelName,
  },
  cacheDir: {
    variable: "EMBEDBOX_CACHE_DIR",
    fallback: "~/.cache/embedbox",
    meaning: "Where models are kept. `XDG_CACHE_HOME` moves the default.",
    value: Values.path,
  },
}
