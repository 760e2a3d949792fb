/**
 * `embedbox reembed`: embeds everything anew with the configured model, beside the vectors that are searched, and lets it
 * be searched when nothing is missing.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Reembedding from "../Reembedding.js"
import { Access } from "./Access.js"
import { SomeFailed } from "./Failure.js"
import * as JobWords from "./JobWords.js"
import * as Output from "./Output.js"
import * as Progress from "./Progress.js"
import { oneLine, Screen } from "./Screen.js"

export interface Given {
  readonly dryRun: boolean
  readonly json: boolean
}

const planned = ({ chunks, entities, from, millis, stored, to, tokens }: Reembedding.Plan) =>
  from === to
    ? [`All ${stored} notes are embedded by the configured model (${to}): nothing to do.`]
    : [
        `from      ${from}`,
        `to        ${to}`,
        `notes     ${entities} of ${stored} to embed`,
        `chunks    about ${chunks}, ${tokens} tokens`,
        `time      about ${JobWords.span(millis)}`,
        "Search goes on with the former model until all of them are embedded.",
      ]

const plan = (json: boolean) =>
  Effect.gen(function* () {
    const found = yield* Effect.flatMap(Reembedding.Reembedding, (service) => service.plan)
    yield* json ? Output.print(Output.ReembedPlan, found) : Console.log(planned(found).join("\n"))
  })

const told = (screen: typeof Screen.Service, outcome: Reembedding.Outcome, millis: number) => {
  const { changed, dropped, embedded, from, refused, to } = outcome
  if (from === to) return ["The configured model is the one that is searched: nothing to do."]
  return changed
    ? [
        `${embedded} notes embedded in ${JobWords.span(millis)}; ${to} is searched from now on.`,
        `${dropped} vectors of former models were removed.`,
        "Keep that model configured (EMBEDBOX_MODEL, or `model` in a file): see `embedbox config`.",
      ]
    : [
        `${embedded} notes embedded, ${refused.length} refused by the new model; ${from} is still searched.`,
        ...refused.map(({ entityId, reason }) =>
          screen.red(`  refused ${oneLine(entityId)}: ${oneLine(reason)}`),
        ),
        "Mend or delete them, and run the same command again: it goes on from here.",
      ]
}

const change = (json: boolean) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const service = yield* Reembedding.Reembedding
    const start = yield* Clock.currentTimeMillis
    const far = yield* Ref.make<Reembedding.Progress>({ done: 0, failed: 0, total: 0 })
    const outcome = yield* Effect.scoped(
      Effect.gen(function* () {
        yield* Progress.show(yield* Progress.ofWork("embedding", Ref.get(far)))
        return yield* service.run((progress) => Ref.set(far, progress))
      }),
    )
    const millis = (yield* Clock.currentTimeMillis) - start
    yield* json
      ? Output.print(Output.Reembedded, outcome)
      : screen.done(told(screen, outcome, millis).join("\n"))
    if (outcome.refused.length > 0) yield* new SomeFailed({ count: outcome.refused.length })
  })

export const run = ({ dryRun, json }: Given) =>
  Effect.gen(function* () {
    const access = yield* Access
    yield* Effect.provide(dryRun ? plan(json) : change(json), access.services)
  })
