/**
 * `embedbox mcp`: the server for an assistant, on this process's pipes. Unless it is told to leave that to others, it
 * embeds what waits meanwhile: an assistant has no other way to start a daemon.
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import type { Role } from "../Domain/Role.js"
import * as Mcp from "../Mcp.js"
import { Access } from "./Access.js"
import { version } from "./Version.js"

export interface Given {
  readonly role: Role
  readonly noWorker: boolean
}

/** Writes text, and answers whether somebody reads it. */
const output = (text: string) =>
  Effect.async<boolean>((resume) => {
    process.stdout.write(text, (error) => resume(Effect.succeed(!error)))
  })

/**
 * That nobody reads any more is told by the write; as an event it would end the process in the middle of its work. And an
 * input that is left open would keep the process from its end.
 */
const pipes = Effect.acquireRelease(
  Effect.sync(() => {
    const ignore = () => undefined
    process.stdout.on("error", ignore)
    return { ignore, input: NodeStream.stdin, output }
  }),
  ({ ignore }) =>
    Effect.sync(() => {
      process.stdout.off("error", ignore)
      process.stdin.destroy()
    }),
)

export const run = ({ noWorker, role }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    yield* Mcp.serve({
      ...Mcp.defaults,
      role,
      version,
      pipes: yield* pipes,
    }).pipe(Effect.provide(noWorker ? access.services : access.working))
  }).pipe(Effect.scoped)
