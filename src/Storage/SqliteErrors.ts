/**
 * What SQLite says, as `StorageError`. Everything that decides by an error of the database decides here, by
 * better-sqlite3's `code` and not by wording; the one reason a person reads names the file and what to do about it.
 */
import { SqlError } from "@effect/sql/SqlError"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import { StorageError, type StorageTrouble } from "../Domain/Errors.js"
import type { LowLevelError } from "../Storage.js"

/** SQLite's extended result code, such as `SQLITE_BUSY_SNAPSHOT`, wherever it hides in the chain of causes. */
export const codeOf = (error: unknown): string | undefined => {
  for (let at = error, depth = 0; Predicate.isRecord(at) && depth < 5; at = at["cause"], depth++) {
    const code = at["code"]
    if (typeof code === "string" && code.startsWith("SQLITE_")) return code
  }
  return undefined
}

const isFamily = (code: string, family: string) => code === family || code.startsWith(`${family}_`)

const isBusyCode = (code: string) =>
  isFamily(code, "SQLITE_BUSY") ||
  isFamily(code, "SQLITE_LOCKED") ||
  code === "SQLITE_PROTOCOL" || // lost the race for the WAL index too often
  code === "SQLITE_IOERR_BLOCKED"

/** Whether `error` is one of those that leave `read` and `write` as `StorageError`. */
export const isLowLevel = (error: unknown): error is LowLevelError =>
  error instanceof SqlError || ParseResult.isParseError(error)

/** Whether the same thing, done again from its start a little later, may succeed. */
export const isBusy = (error: unknown): boolean => {
  if (error instanceof StorageError) return error.trouble === "Busy"
  if (!(error instanceof SqlError)) return false
  if (error.cause instanceof StorageError) return isBusy(error.cause)
  const code = codeOf(error)
  return code !== undefined && isBusyCode(code)
}

/**
 * Whether SQLite may have rolled the whole transaction back by itself. Statements after such an error would run,
 * and stay, outside any transaction: it must not go on.
 */
export const endsTransaction = (error: unknown): boolean => {
  const code = codeOf(error)
  if (code === undefined) return false
  return [
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_NOMEM",
    "SQLITE_BUSY",
    "SQLITE_INTERRUPT",
    "SQLITE_CORRUPT",
  ].some((family) => isFamily(code, family))
}

/** Whether a ROLLBACK failed for the sole reason that SQLite had rolled back already. */
export const isNothingToRollBack = (error: SqlError): boolean =>
  Predicate.isRecord(error.cause) && String(error.cause["message"]).includes("no transaction is active")

const troubles: ReadonlyArray<readonly [family: string, trouble: StorageTrouble]> = [
  ["SQLITE_FULL", "Full"],
  ["SQLITE_IOERR_SHMSIZE", "Full"], // the shared memory file could not grow
  ["SQLITE_IOERR_CORRUPTFS", "Corrupt"],
  ["SQLITE_CORRUPT", "Corrupt"],
  ["SQLITE_NOTADB", "Corrupt"],
  ["SQLITE_READONLY", "ReadOnly"],
  ["SQLITE_CANTOPEN", "CannotOpen"],
  ["SQLITE_PERM", "CannotOpen"],
]

const troubleOf = (code: string | undefined): StorageTrouble => {
  if (code === undefined) return "Other"
  if (isBusyCode(code)) return "Busy"
  return troubles.find(([family]) => isFamily(code, family))?.[1] ?? "Other"
}

const oneLine = (text: string) => text.replaceAll(/\s+/g, " ").trim()

const detailOf = (error: unknown): string => {
  let detail = ""
  for (let at = error, depth = 0; Predicate.isRecord(at) && depth < 5; at = at["cause"], depth++) {
    if (typeof at["message"] === "string" && at["message"] !== "") detail = at["message"]
  }
  return oneLine(detail === "" ? String(error) : detail)
}

const reasonOf = (
  trouble: StorageTrouble,
  file: string,
  code: string | undefined,
  error: unknown,
): string => {
  switch (trouble) {
    case "Busy":
      return `${file} is locked by another process that did not let go in time: try again, or stop that process`
    case "Full":
      return `the disk that holds ${file} is full: free some space and try again; nothing was half-written`
    case "ReadOnly":
      return code === "SQLITE_READONLY_DBMOVED"
        ? `${file} was moved or deleted while it was open: put it back and restart`
        : `${file} cannot be written: give this user write permission on the file and its folder, or choose another file`
    case "Corrupt":
      return `${file} is damaged or is no SQLite database: restore it from a backup, or choose another file`
    case "CannotOpen":
      return `${file} cannot be opened as a database: check that the path is a file, and that this user may read and write it and its folder`
    case "InvalidRow":
      return `a row of ${file} is not as this program writes it: ${detailOf(error)}`
    default:
      if (code === "SQLITE_IOERR_WRITE") {
        return `${file} could not be written: a quota or a limit on the size of files is reached, or the disk fails: check the disk; nothing was half-written`
      }
      return code !== undefined && isFamily(code, "SQLITE_IOERR")
        ? `the disk that holds ${file} reported an error (${code}): check the disk, then restart`
        : `${file}: ${detailOf(error)}`
  }
}

/** Whether better-sqlite3 could not load what is compiled of it: nothing is wrong with the file then. */
const isNotLoaded = (error: unknown): boolean => {
  for (let at = error, depth = 0; Predicate.isRecord(at) && depth < 5; at = at["cause"], depth++) {
    // Compiled for another Node, or not compiled at all: then it lists where it looked.
    if (at["code"] === "ERR_DLOPEN_FAILED" || Array.isArray(at["tries"])) return true
  }
  return false
}

/** What a program without its SQLite is told, by what runs it. */
export const notLoaded = (versions: { readonly node: string; readonly bun?: string | undefined }): string =>
  versions.bun === undefined
    ? `better-sqlite3 is not compiled for this Node (${versions.node}): run npm rebuild better-sqlite3 with it, and let npm run its install script`
    : "Bun cannot load better-sqlite3, which is made for Node: run this with Node, or give the shell an SqlClient of Bun's by Sqlite.layerClient"

/** Turns whatever came out of the database into the one error that callers know. `file` is named in the reason. */
export const toStorageError = (error: unknown, file: string): StorageError => {
  if (error instanceof StorageError) return error
  if (Predicate.isRecord(error) && error["cause"] instanceof StorageError) return error["cause"]
  if (isNotLoaded(error)) {
    return new StorageError({ trouble: "NotLoaded", reason: notLoaded(process.versions), cause: error })
  }
  const code = codeOf(error)
  const trouble = ParseResult.isParseError(error) ? "InvalidRow" : troubleOf(code)
  return new StorageError({ trouble, reason: reasonOf(trouble, file, code, error), cause: error })
}
