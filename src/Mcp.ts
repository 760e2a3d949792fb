/**
 * The interface for assistants: the Model Context Protocol over standard input and output. Tools are thin: each is a
 * Schema, a sentence for the assistant and a call of a service. What the given role does not cover is not even listed.
 * As many calls run at a time as may, so that an assistant in a hurry starves nobody. It ends when its client hangs up,
 * after what was asked for is done.
 */
import * as McpSchema from "@effect/ai/McpSchema"
import * as McpServer from "@effect/ai/McpServer"
import * as RpcServer from "@effect/rpc/RpcServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { covers, type Role } from "./Domain/Role.js"
import type { EmbeddingQueue } from "./EmbeddingQueue.js"
import type { EntityService } from "./EntityService.js"
import * as Resources from "./Mcp/Resources.js"
import * as Stdio from "./Mcp/Stdio.js"
import * as Tool from "./Mcp/Tool.js"
import * as Jobs from "./Mcp/Tools/Jobs.js"
import * as Notes from "./Mcp/Tools/Notes.js"
import * as Searching from "./Mcp/Tools/Searching.js"

export interface Settings {
  /** What the client may do. */
  readonly role: Role
  /** Of this package. */
  readonly version: string
  readonly pipes: Stdio.Pipes
  readonly stdio: Omit<Stdio.Options, "instructions">
  /** Calls of tools at a time. */
  readonly concurrency: number
}

/** What nobody has to say. */
export const defaults: Pick<Settings, "concurrency" | "stdio"> = { concurrency: 8, stdio: Stdio.defaults }

/** What an assistant is told of the whole. */
const instructionsFor = (role: Role): string =>
  [
    "Notes of a person or a team, found by meaning and by words.",
    "search_notes answers a question with excerpts, list_notes goes through all, read_note gives a whole text.",
    "A note is found by its words as soon as it is saved, and by meaning when its embedding is done; answers say what they could not see.",
    covers(role, "trusted")
      ? "Search before you save: update_note changes a note that is there."
      : "You may read and search; saving takes another role.",
  ].join(" ")

/** Every tool, in the order in which they are shown. */
export const tools: Effect.Effect<
  ReadonlyArray<Tool.Tool>,
  never,
  EmbeddingQueue | EntityService
> = Effect.map(Effect.all([Searching.make, Notes.make, Jobs.make]), (all) => all.flat())

/** The server that `@effect/ai` speaks for: our own, because that of the package refuses by an error of the protocol. */
const makeServer = ({ concurrency, role }: Pick<Settings, "concurrency" | "role">) =>
  Effect.gen(function* () {
    const base = yield* McpServer.McpServer.make
    const all = yield* tools
    const findResource = yield* Resources.make
    const room = yield* Effect.makeSemaphore(concurrency)
    const allowed = all.filter(({ needs }) => covers(role, needs))
    const shown = allowed.map((tool) => tool.shown)

    const callTool = ({ arguments: given, name }: typeof McpSchema.CallTool.payloadSchema.Type) => {
      const tool = all.find((one) => one.name === name)
      if (tool === undefined) {
        return new McpSchema.InvalidParams({
          message: `There is no tool ${name.slice(0, 100)}: ${allowed.map((one) => one.name).join(", ")} are there`,
        })
      }
      return covers(role, tool.needs)
        ? room.withPermits(1)(tool.call(given))
        : Effect.succeed(
            Tool.refused(
              `${name} takes the role ${tool.needs}, and this server was started for ${role}. Nothing was done: ` +
                `the person who set it up can change that (embedbox mcp --role ${tool.needs}).`,
            ),
          )
    }

    return McpServer.McpServer.of({
      notifications: base.notifications,
      notificationsMailbox: base.notificationsMailbox,
      initializedClients: base.initializedClients,
      tools: shown,
      addTool: base.addTool,
      callTool,
      resources: base.resources,
      addResource: base.addResource,
      resourceTemplates: [Resources.template],
      addResourceTemplate: base.addResourceTemplate,
      findResource,
      prompts: base.prompts,
      addPrompt: base.addPrompt,
      getPromptResult: base.getPromptResult,
      completion: base.completion,
    })
  })

/** Serves one client until it hangs up. */
export const serve = (settings: Settings): Effect.Effect<void, never, EmbeddingQueue | EntityService> =>
  Effect.gen(function* () {
    const server = yield* makeServer(settings)
    const { ended, protocol } = yield* Stdio.make(settings.pipes, {
      ...settings.stdio,
      instructions: instructionsFor(settings.role),
    })
    const context = Context.make(McpServer.McpServer, server).pipe(Context.add(RpcServer.Protocol, protocol))
    yield* Effect.raceFirst(
      ended,
      Effect.provide(McpServer.run({ name: "embedbox", version: settings.version }), context),
    )
  }).pipe(Effect.scoped, Effect.annotateLogs({ interface: "mcp" }))

export type { Pipes } from "./Mcp/Stdio.js"
