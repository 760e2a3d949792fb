/**
 * What should happen, in plain maps: every rule of the box's life that a caller, a reader or a worker can notice,
 * without a database, a fiber or a lock. It is told the answers only of what is random (job ids, tokens); all else it
 * foretells, down to the order of a claim. Where it and the product differ, one of them is wrong.
 */
import type { Fault } from "../../src/Domain/Errors.js"

export interface Key {
  readonly type: string
  readonly id: string
}

/** What a write says. */
export interface Fields {
  readonly content: string
  readonly metadata: { readonly mark: number }
}

export interface Version extends Fields {
  readonly created: number
  readonly updated: number
}

export interface Job {
  readonly jobId: string
  readonly key: Key
  readonly generation: number
  readonly version: Version
  readonly maxRetries: number
  readonly line: number
  status: "pending" | "processing" | "completed" | "failed"
  lane: "ready" | "delayed" | "suspect" | null
  outcome: "stored" | "superseded" | "deleted" | "exhausted" | "cancelled" | null
  successor: string | null
  priority: number
  scheduledFor: number
  retryCount: number
  crashCount: number
  token: string | null
  leaseUntil: number | null
  claimedAt: number
  owner: string
  completedAt: number | null
  /** When it was last put in line, claimed or renewed. */
  touchedAt: number
}

/** A stored row. */
export interface Row {
  readonly key: Key
  readonly version: Version
  readonly generation: number
  readonly jobId: string
}

/** What a worker believes to hold. */
export interface Held {
  readonly jobId: string
  readonly token: string
}

export const leaseMillis = 30_000

/** A job that was touched by more than this in the future shows that the clock was set back. */
const slackMillis = 1_000

/** The text that the embedder refuses. */
export const poison = "poison"

/** 1, 2, 4 … seconds. */
const backoff = (failures: number) => 1000 * 2 ** (Math.min(failures, 64) - 1)

export const nameOf = ({ id, type }: Key) => `${type}/${id}`

const byLine = (a: Job, b: Job) => a.scheduledFor - b.scheduledFor || a.line - b.line

export class Model {
  now = 0
  generation = 0
  paused = false
  readonly jobs = new Map<string, Job>()
  readonly rows = new Map<string, Row>()

  // ---- reading ---------------------------------------------------------------------------------------------

  /** The live boxes of a key, newest first. */
  live(key: Key): ReadonlyArray<Job> {
    return [...this.jobs.values()]
      .filter((job) => nameOf(job.key) === nameOf(key) && job.status !== "completed")
      .toSorted((a, b) => b.generation - a.generation)
  }

  /** The newest accepted version of a key, and how its embedding stands. */
  read(key: Key) {
    const box = this.live(key)[0]
    if (box !== undefined) return { version: box.version, state: box.status, jobId: box.jobId }
    const row = this.rows.get(nameOf(key))
    return row && { version: row.version, state: "ready", jobId: row.jobId }
  }

  /** What the holder of a receipt is told. */
  status(jobId: string): { readonly status: string; readonly entityId: string } | undefined {
    const job = this.jobs.get(jobId)
    if (job !== undefined) return { status: job.status, entityId: job.key.id }
    const row = [...this.rows.values()].find((row) => row.jobId === jobId)
    return row && { status: "completed", entityId: row.key.id }
  }

  holds({ jobId, token }: Held): Job | undefined {
    const job = this.jobs.get(jobId)
    return job?.status === "processing" && job.token === token ? job : undefined
  }

  // ---- writing ---------------------------------------------------------------------------------------------

  /** What a write answers. `newJobId` is the id of its job, if it makes one. */
  write(
    key: Key,
    fields: Fields,
    newJobId: string,
    options: { readonly priority: number; readonly maxRetries: number },
  ) {
    const live = this.live(key)
    const row = this.rows.get(nameOf(key))
    const newest = this.read(key)?.version
    const same = newest?.content === fields.content && newest.metadata.mark === fields.metadata.mark
    const known = live[0] === undefined ? row?.jobId : live[0].status === "failed" ? undefined : live[0].jobId
    if (same && known !== undefined) return { change: "unchanged", jobId: known }
    const version = { ...fields, created: newest?.created ?? this.now, updated: this.now }
    const change = newest === undefined ? "created" : "updated"
    const generation = ++this.generation
    if (live.length === 0 && row?.version.content === fields.content) {
      this.rows.set(nameOf(key), { ...row, version, generation })
      return { change, jobId: row.jobId }
    }
    const replaced = live.filter((job) => job.status !== "processing")
    const pending = replaced.find((job) => job.status === "pending")
    for (const job of replaced) this.end(job, "completed", "superseded", newJobId)
    this.enter(newJobId, key, version, generation, {
      maxRetries: options.maxRetries,
      line: pending?.line ?? generation,
      priority: Math.max(options.priority, pending?.priority ?? options.priority),
      scheduledFor: Math.min(pending?.scheduledFor ?? this.now, this.now),
    })
    return { change, jobId: newJobId }
  }

  /** A write that embedded inline: row and receipt at once. */
  writeStored(key: Key, fields: Fields, newJobId: string) {
    const version = { ...fields, created: this.now, updated: this.now }
    const generation = ++this.generation
    const place = { maxRetries: 0, line: generation, priority: 0, scheduledFor: this.now }
    this.end(this.enter(newJobId, key, version, generation, place), "completed", "stored", null)
    this.rows.set(nameOf(key), { key, version, generation, jobId: newJobId })
  }

  delete(key: Key) {
    for (const job of this.live(key)) this.end(job, "completed", "deleted", null)
    this.rows.delete(nameOf(key))
  }

  cancel(jobId: string) {
    const job = this.jobs.get(jobId)
    if (job === undefined || job.status === "completed" || job.status === "failed") return
    const newer = this.newer(job)
    if (newer === undefined) this.end(job, "failed", "cancelled", null)
    else this.end(job, "completed", "superseded", newer.jobId)
  }

  retryFailed(matches: (job: Job) => boolean): number {
    const failed = [...this.jobs.values()].filter((job) => job.status === "failed" && matches(job))
    for (const job of failed) {
      Object.assign(job, {
        status: "pending",
        lane: "ready",
        outcome: null,
        scheduledFor: this.now,
        retryCount: 0,
        crashCount: 0,
        completedAt: null,
        touchedAt: this.now,
      } satisfies Partial<Job>)
    }
    return failed.length
  }

  // ---- working ---------------------------------------------------------------------------------------------

  /** The jobs that a claim takes, in order. */
  claim(n: number, suspects: boolean): ReadonlyArray<Job> {
    const inLane = (lane: Job["lane"]) => [...this.jobs.values()].filter((job) => job.lane === lane)
    const free = (job: Job) => !this.live(job.key).some((other) => other.status === "processing")
    const due = (job: Job) => job.scheduledFor <= this.now
    if (this.paused || n < 1) return []
    const suspect = suspects ? inLane("suspect").filter(due).filter(free).toSorted(byLine)[0] : undefined
    if (suspect !== undefined) return [suspect]
    for (const job of inLane("delayed").filter(due)) job.lane = "ready"
    return inLane("ready")
      .filter(free)
      .toSorted((a, b) => b.priority - a.priority || byLine(a, b))
      .slice(0, n)
  }

  take(job: Job, token: string, owner: string) {
    const stamp = {
      token,
      owner,
      claimedAt: this.now,
      touchedAt: this.now,
      leaseUntil: this.now + leaseMillis,
    }
    Object.assign(job, { status: "processing", lane: null, ...stamp })
  }

  renew(held: ReadonlyArray<Held>): ReadonlyArray<Held> {
    return held.filter((claim) => {
      const job = this.holds(claim)
      if (job !== undefined) Object.assign(job, { leaseUntil: this.now + leaseMillis, touchedAt: this.now })
      return job === undefined
    })
  }

  store(job: Job) {
    this.end(job, "completed", "stored", null)
    const { generation, jobId, key, version } = job
    this.rows.set(nameOf(key), { key, version, generation, jobId })
  }

  release(job: Job) {
    this.leave(job, job.scheduledFor, job.retryCount, job.crashCount)
  }

  fail(job: Job, fault: Fault, retryAfter: number | undefined) {
    if (fault !== "item") {
      const at = retryAfter === undefined ? job.scheduledFor : this.now + retryAfter
      return this.leave(job, at, job.retryCount, job.crashCount)
    }
    const failures = job.retryCount + 1
    if (failures > job.maxRetries) return this.leave(job, "failed", job.retryCount, job.crashCount)
    this.leave(job, this.now + backoff(failures), failures, job.crashCount)
  }

  /** Takes jobs back whose lease has lapsed or whose holder is dead. */
  reclaim(dead: ReadonlySet<string>): number {
    this.setBack()
    const owners = [...dead].map((owner) => this.crash((job) => job.owner === owner))
    const lapsed = this.crash((job) => (job.leaseUntil ?? 0) < this.now)
    return owners.reduce((sum, count) => sum + count, lapsed)
  }

  /** Jobs that were touched in the future keep what was left of their wait or their lease. */
  private setBack() {
    for (const job of this.jobs.values()) {
      const ahead = job.touchedAt - this.now
      if (ahead <= slackMillis) continue
      if (job.lane === "delayed" || job.lane === "suspect") {
        Object.assign(job, { scheduledFor: job.scheduledFor - ahead, touchedAt: this.now })
      }
      if (job.status === "processing" && job.leaseUntil !== null) {
        const times = { leaseUntil: job.leaseUntil - ahead, claimedAt: job.claimedAt - ahead }
        Object.assign(job, { ...times, touchedAt: this.now })
      }
    }
  }

  resetStuck(stuckAfter: number): number {
    return this.crash((job) => (job.leaseUntil ?? 0) < this.now && job.claimedAt < this.now - stuckAfter)
  }

  cleanup(olderThan: number): number {
    const old = [...this.jobs.values()].filter(
      (job) => job.status === "completed" && (job.completedAt ?? 0) < this.now - olderThan,
    )
    for (const job of old) this.jobs.delete(job.jobId)
    return old.length
  }

  // ---- inside ----------------------------------------------------------------------------------------------

  private enter(
    jobId: string,
    key: Key,
    version: Version,
    generation: number,
    place: Pick<Job, "maxRetries" | "line" | "priority" | "scheduledFor">,
  ): Job {
    const job: Job = {
      ...place,
      jobId,
      key,
      version,
      generation,
      status: "pending",
      lane: "ready",
      outcome: null,
      successor: null,
      retryCount: 0,
      crashCount: 0,
      token: null,
      leaseUntil: null,
      claimedAt: 0,
      owner: "",
      completedAt: null,
      touchedAt: this.now,
    }
    this.jobs.set(jobId, job)
    return job
  }

  private end(job: Job, status: "completed" | "failed", outcome: Job["outcome"], successor: string | null) {
    const gone = { lane: null, token: null, leaseUntil: null, completedAt: this.now }
    Object.assign(job, { status, outcome, successor, ...gone })
  }

  private newer(job: Job): Job | undefined {
    return this.live(job.key).find((other) => other.generation > job.generation)
  }

  /** Out of a worker's hand: a newer box makes it pointless. */
  private leave(job: Job, to: number | "failed", retryCount: number, crashCount: number) {
    const newer = this.newer(job)
    if (newer !== undefined) return this.end(job, "completed", "superseded", newer.jobId)
    Object.assign(job, { retryCount, crashCount })
    if (to === "failed") return this.end(job, "failed", "exhausted", null)
    const lane = crashCount > 0 ? "suspect" : to > this.now ? "delayed" : "ready"
    Object.assign(job, {
      status: "pending",
      lane,
      scheduledFor: to,
      token: null,
      leaseUntil: null,
      owner: "",
      touchedAt: this.now,
    })
  }

  private crash(matches: (job: Job) => boolean): number {
    const inHand = [...this.jobs.values()].filter((job) => job.status === "processing")
    const found = inHand
      .filter(matches)
      .map((job) => ({ job, alone: inHand.every((other) => other === job || other.owner !== job.owner) }))
    for (const { alone, job } of found) {
      const crashes = job.crashCount + 1
      const wait = job.crashCount === 0 ? 0 : backoff(job.crashCount)
      const to = alone && crashes > job.maxRetries ? "failed" : this.now + wait
      this.leave(job, to, job.retryCount, crashes)
    }
    return found.length
  }
}
