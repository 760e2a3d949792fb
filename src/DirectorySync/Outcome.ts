/** What a run over a folder may be told, and what it tells. */

/** What became of one file. `path` is relative to the folder, with forward slashes. */
export type FileOutcome =
  | {
      readonly _tag: "Saved"
      readonly path: string
      readonly entityId: string
      readonly entityType: string
      /** `moved`: it was renamed, and kept its vectors. `kept`: it was there already and was not to be replaced. */
      readonly change: "created" | "updated" | "moved" | "unchanged" | "kept"
      /** The job that embeds or embedded it. */
      readonly jobId: string
    }
  | {
      readonly _tag: "Skipped"
      readonly path: string
      /** There is nothing to take; or there is, and it is not in order; or it is being written just now. */
      readonly kind: "skipped" | "quarantined" | "transient"
      readonly reason: string
    }

/** What a folder is like. */
export interface FolderOptions {
  /** Types that have a folder of their own at the top: `task/a.md` is the task `a`. */
  readonly types?: ReadonlyArray<string> | undefined
  /** The type of everything else. Default `base`. */
  readonly entityType?: string | undefined
  /** What is taken for a note, the preferred first. Default `extensions`. */
  readonly extensions?: ReadonlyArray<string> | undefined
}

export interface ImportOptions extends FolderOptions {
  /** What to do about entities that exist: make them equal to their file (the default), or leave them. */
  readonly existing?: "replace" | "keep" | undefined
  /** The higher number is embedded first. Default 0. */
  readonly priority?: number | undefined
}
