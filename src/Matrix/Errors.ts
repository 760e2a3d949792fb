/** What can go wrong between the bot and its homeserver, told apart by who can mend it. */
import * as Schema from "effect/Schema"

/** The homeserver said no, or could not be reached. */
export class MatrixError extends Schema.TaggedError<MatrixError>()("MatrixError", {
  /** What was asked of it. */
  request: Schema.String,
  /** The HTTP status; 0 where there was no answer. */
  status: Schema.Int,
  /** `M_…`, where the answer bore one. */
  errcode: Schema.NullOr(Schema.String),
  reason: Schema.String,
  /** How long it asked to be left alone. */
  retryAfterMillis: Schema.NullOr(Schema.Number),
}) {
  override get message() {
    const code = this.errcode ?? (this.status === 0 ? "no answer" : `HTTP ${this.status}`)
    return `${this.request}: ${code}${this.reason === "" ? "" : `, ${this.reason}`}`
  }

  /** The access token is not known any more (signed out, softly or not). */
  get isSignedOut(): boolean {
    return this.errcode === "M_UNKNOWN_TOKEN" || this.errcode === "M_MISSING_TOKEN" || this.status === 401
  }

  /** Too many requests. */
  get isLimit(): boolean {
    return this.status === 429 || this.errcode === "M_LIMIT_EXCEEDED"
  }

  /** The same request may well succeed later. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 408 || this.status >= 500 || this.isLimit
  }

  /** The endpoint is not there. */
  get isUnknownEndpoint(): boolean {
    return this.errcode === "M_UNRECOGNIZED" || (this.errcode === null && [404, 405].includes(this.status))
  }
}

/** Another process has taken over the account: what this one was about to write must not be written. */
export class NotHolder extends Schema.TaggedError<NotHolder>()("NotHolder", { account: Schema.String }) {
  override get message() {
    return `another process speaks for ${this.account}`
  }
}
