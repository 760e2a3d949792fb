/**
 * What is said between this process and those that hold the model. Vectors travel as one block of numbers per message,
 * since a structured clone of one block costs a fraction of many; long texts come back as places to cut, not as text.
 * How a child is set up travels on its command line: a message would not reach the child that replaces a dead one.
 */
import * as Schema from "effect/Schema"
import { EmbeddingError } from "../Domain/Errors.js"
import { ModelName } from "./models.js"

/** Crosses by structured clone as it is. */
export const Block = Schema.declare((value): value is Float32Array => value instanceof Float32Array, {
  identifier: "Block",
})

/** No message carries more texts than this, so that a process that dies takes few along. */
export const maxTexts = 32

/** Nor more text than this, in UTF-16 units, unless a single one has more: about as much as thirty short notes. */
export const maxLength = 16_384

/** Makes the model ready: builds or downloads its folder where it is missing, and loads it. */
export class Load extends Schema.TaggedRequest<Load>()("Load", {
  failure: EmbeddingError,
  success: Schema.Struct({ folder: Schema.String }),
  payload: {},
}) {}

/** One vector per text, one after the other in one block. */
export class EmbedTexts extends Schema.TaggedRequest<EmbedTexts>()("EmbedTexts", {
  failure: EmbeddingError,
  success: Block,
  payload: { texts: Schema.Array(Schema.String) },
}) {}

/** The same of those texts that fit the window, and which those are: the others are to be cut. */
export class EmbedFitting extends Schema.TaggedRequest<EmbedFitting>()("EmbedFitting", {
  failure: EmbeddingError,
  success: Schema.Struct({ places: Schema.Array(Schema.Int), block: Block }),
  payload: { texts: Schema.Array(Schema.String) },
}) {}

/** The vector of a question; goes ahead of texts. */
export class EmbedQuery extends Schema.TaggedRequest<EmbedQuery>()("EmbedQuery", {
  failure: EmbeddingError,
  success: Block,
  payload: { text: Schema.String },
}) {}

const Piece = Schema.Struct({
  heading: Schema.String,
  path: Schema.Array(Schema.String),
  start: Schema.Int,
  end: Schema.Int,
})

/** For each passage the places of its pieces: see `Embedder.split`. */
export class Split extends Schema.TaggedRequest<Split>()("Split", {
  failure: EmbeddingError,
  success: Schema.Array(Schema.Array(Piece)),
  payload: { passages: Schema.Array(Schema.Struct({ title: Schema.String, text: Schema.String })) },
}) {}

/** Answered as soon as the model is free: tells that an interrupted text has come to its end. */
export class Settle extends Schema.TaggedRequest<Settle>()("Settle", {
  failure: Schema.Never,
  success: Schema.Void,
  payload: {},
}) {}

/** Everything a child can be asked. */
export const Request = Schema.Union(Load, EmbedTexts, EmbedFitting, EmbedQuery, Split, Settle)
export type Request = typeof Request.Type

/** What a child is told on its command line. */
export const Setup = Schema.Struct({
  model: ModelName,
  /** Absolute: children do not depend on the working directory. */
  cacheDir: Schema.String,
  threads: Schema.Int.pipe(Schema.positive()),
})
export type Setup = typeof Setup.Type

/** A child's set-up as the one argument of its command line. */
export const SetupArgument = Schema.parseJson(Setup)
