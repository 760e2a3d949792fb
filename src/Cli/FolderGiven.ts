/** What the commands on folders are told of the folder, in the words of `DirectorySync`. */
import * as Option from "effect/Option"
import type { FolderOptions } from "../DirectorySync.js"

export interface Given {
  readonly folder: string
  /** The type of everything that has no folder of its type. */
  readonly type: string
  readonly types: ReadonlyArray<string>
  readonly extensions: Option.Option<ReadonlyArray<string>>
}

export const optionsOf = ({ extensions, type, types }: Omit<Given, "folder">): FolderOptions => ({
  entityType: type,
  types,
  extensions: Option.getOrUndefined(
    Option.map(extensions, (all) => all.map((one) => (one.startsWith(".") ? one : `.${one}`).toLowerCase())),
  ),
})
