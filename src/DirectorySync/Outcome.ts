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

/** How a folder is imported. */
export interface ImportOptions extends FolderOptions {
  /** What to do about entities that exist: make them equal to their file (the default), or leave them. */
  readonly existing?: "replace" | "keep" | undefined
  /** The higher number is embedded first. Default 0. */
  readonly priority?: number | undefined
}

/** What a folder that is kept in step is to do about what is gone. */
export interface SyncOptions extends FolderOptions {
  /**
   * A note that is deleted on one side is deleted on the other, unless it was changed there. Default false: it is kept,
   * and told. Only after all of the folder could be seen, and never when nothing is left in it.
   */
  readonly deletions?: boolean | undefined
}

/** What became of one entity that has, or ought to have, a file. */
export type EntityOutcome =
  | {
      readonly _tag: "Exported"
      readonly path: string
      readonly entityType: string
      readonly entityId: string
      readonly change: "created" | "updated" | "unchanged"
    }
  | {
      /** Both sides were changed. The file stays as it is, and the other version stands beside it, at `kept`. */
      readonly _tag: "Conflict"
      readonly path: string
      readonly entityType: string
      readonly entityId: string
      readonly kept: string
    }
  | {
      readonly _tag: "Unexported"
      readonly entityType: string
      readonly entityId: string
      readonly reason: string
    }

/** What an export tells. */
export type ExportOutcome =
  | EntityOutcome
  | {
      /** At the end: so many entities have a type without a folder here, and so no file. */
      readonly _tag: "NoFolder"
      readonly entityType: string
      readonly count: number
    }

/** What a run in both directions tells. */
export type SyncOutcome =
  | FileOutcome
  | EntityOutcome
  | {
      /** What was gone on one side has gone on this one. */
      readonly _tag: "Removed"
      readonly side: "file" | "entity"
      readonly path: string
      readonly entityType: string
      readonly entityId: string
    }
