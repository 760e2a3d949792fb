/**
 * What a tool is: its words and schema for the assistant, the role that it takes, and what it does. Arguments are checked
 * here against the same Schema that the assistant is shown. Whatever goes wrong is a result that says so, in a sentence
 * that an assistant can act on: an error of the protocol is for programs, and many clients show it to nobody.
 */
import * as McpSchema from "@effect/ai/McpSchema"
import * as Effect from "effect/Effect"
import * as JSONSchema from "effect/JSONSchema"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { counted } from "../Domain/Phrases.js"
import type { Role } from "../Domain/Role.js"
import * as Telling from "./Telling.js"

/** What a tool answers with: a document. */
export type Answer = Readonly<Record<string, unknown>>

export interface Tool {
  readonly name: string
  readonly needs: Role
  /** As the assistant is shown it. */
  readonly shown: McpSchema.Tool
  readonly call: (given: unknown) => Effect.Effect<McpSchema.CallToolResult>
}

/** What a tool does to what is saved. */
export type Nature = "reads" | "adds" | "changes" | "deletes" | "switches"

/** The protocol's hints: whether it writes, whether that may take something away, and whether twice is the same as once. */
const hints: {
  readonly [Of in Nature]: Pick<
    McpSchema.ToolAnnotations,
    "readOnlyHint" | "destructiveHint" | "idempotentHint"
  >
} = {
  reads: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
  adds: { readOnlyHint: false, destructiveHint: false, idempotentHint: false },
  changes: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  deletes: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  switches: { readOnlyHint: false, destructiveHint: false, idempotentHint: true },
}

/** An answer as a result: for programs, and as text for assistants that read no other. */
const done = (answer: Answer) =>
  new McpSchema.CallToolResult({
    content: [{ type: "text", text: JSON.stringify(answer) }],
    structuredContent: answer,
    isError: false,
  })

/** A refusal as a result. */
export const refused = (sentence: string) =>
  new McpSchema.CallToolResult({ content: [{ type: "text", text: sentence }], isError: true })

/** Assistants give null for what they leave out. */
const withoutNulls = (given: unknown): unknown =>
  Predicate.isRecord(given)
    ? Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
    : (given ?? {})

/** As many flaws are told. */
const mostFlaws = 5

/** The flaws, the first of each place: what follows there is how a Schema says the same again. */
const flawsOf = (error: ParseResult.ParseError): string => {
  const flaws = new Map<string, string>()
  for (const { message, path } of ParseResult.ArrayFormatter.formatErrorSync(error)) {
    const place = path.map(String).join(".")
    if (!flaws.has(place)) flaws.set(place, place === "" ? message : `${place}: ${message}`)
  }
  return [
    ...[...flaws.values()].slice(0, mostFlaws),
    ...(flaws.size > mostFlaws ? [`and ${counted(flaws.size - mostFlaws, "more flaw")}`] : []),
  ].join("; ")
}

export interface Options<A, I> {
  readonly name: string
  readonly title: string
  /** What it does, for the assistant. */
  readonly description: string
  readonly needs: Role
  readonly nature: Nature
  readonly parameters: Schema.Schema<A, I>
}

/** A tool of these words that does this. */
export const make = <A, I>(
  options: Options<A, I>,
  handle: (given: A) => Effect.Effect<Answer, Telling.Failure>,
): Tool => {
  const decode = Schema.decodeUnknown(options.parameters, { errors: "all", onExcessProperty: "error" })
  const { name, needs } = options
  return {
    name,
    needs,
    shown: new McpSchema.Tool({
      name,
      title: options.title,
      description: options.description,
      inputSchema: shapeOf(options.parameters),
      annotations: new McpSchema.ToolAnnotations({
        title: options.title,
        ...hints[options.nature],
        openWorldHint: false,
      }),
    }),
    call: (given) =>
      decode(withoutNulls(given)).pipe(
        Effect.matchEffect({
          onFailure: (error) =>
            Effect.succeed(
              refused(
                `These arguments of ${name} do not fit: ${flawsOf(error)}. Nothing was done: mend them and call it again.`,
              ),
            ),
          onSuccess: (fitting) =>
            Effect.match(handle(fitting), {
              onFailure: (failure) => refused(Telling.failure(failure)),
              onSuccess: done,
            }),
        }),
        Effect.catchAllDefect((defect) =>
          Effect.as(Effect.logError(`${name} broke`, defect), refused(Telling.unexpected)),
        ),
        Effect.withSpan(`Mcp.${name}`),
      ),
  }
}

/** The Schema as JSON Schema; that of no parameters is not what it makes of an empty struct. */
const shapeOf = <A, I>(schema: Schema.Schema<A, I>): unknown => {
  const { $schema: _, ...shape } = JSONSchema.make(schema)
  return "properties" in shape ? shape : { type: "object", properties: {}, additionalProperties: false }
}
