/**
 * Preloaded into a process (`NODE_OPTIONS=--import=…`): what has this name (`ABSENT`) cannot be loaded there, as though it
 * were not installed, or were compiled for another Node.
 */
import { register } from "node:module"

const absent = process.env.ABSENT
const hooks = `
  export const resolve = (specifier, context, next) => {
    if (specifier !== ${JSON.stringify(absent)}) return next(specifier, context)
    const error = new Error("Cannot find package '" + specifier + "' imported from " + context.parentURL)
    throw Object.assign(error, { code: "ERR_MODULE_NOT_FOUND" })
  }`
register(`data:text/javascript,${encodeURIComponent(hooks)}`)

const { dlopen } = process
process.dlopen = (module, file, ...flags) => {
  if (!file.endsWith(`/${absent}`)) return dlopen.call(process, module, file, ...flags)
  const error = new Error(`The module '${file}' was compiled against a different Node.js version`)
  throw Object.assign(error, { code: "ERR_DLOPEN_FAILED" })
}
