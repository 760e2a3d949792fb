/**
 * Preloaded into a process (`NODE_OPTIONS=--import=…`): appends every module, package and native library that it loads, and
 * its children, to the file that `LOADS_FILE` names.
 */
import { appendFileSync } from "node:fs"
import { createRequire, register } from "node:module"

const file = process.env.LOADS_FILE
const hooks = `
  import { appendFileSync } from "node:fs"
  export const load = (url, context, next) => {
    appendFileSync(${JSON.stringify(file)}, url + "\\n")
    return next(url, context)
  }`
register(`data:text/javascript,${encodeURIComponent(hooks)}`)

process.on("exit", () => {
  const { cache } = createRequire(import.meta.url)
  const natives = process.report.getReport().sharedObjects
  appendFileSync(file, [...Object.keys(cache), ...natives, ""].join("\n"))
})
