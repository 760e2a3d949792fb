import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Output from "../../src/Cli/Output.js"
import { temporaryFolder } from "../support.js"
import { type Options, run, start } from "../support/Processes.js"

/** A folder to start in, and a user with settings of their own. */
const place = Effect.gen(function* () {
  const root = yield* temporaryFolder
  const folder = join(root, "folder")
  const user = join(root, "config", "embedbox")
  yield* Effect.promise(() => mkdir(folder))
  yield* Effect.promise(() => mkdir(user, { recursive: true }))
  const env = { XDG_CONFIG_HOME: join(root, "config"), XDG_DATA_HOME: join(root, "data"), EMBEDBOX_MODEL: "" }
  return {
    folder,
    user,
    env,
    write: (file: string, text: string) => Effect.promise(() => writeFile(file, text)),
    embedbox: (args: ReadonlyArray<string>, options: Options = {}) =>
      run("bin.ts", args, { folder, ...options, env: { ...env, ...options.env } }),
  }
})

const settingsOf = (stdout: string) =>
  Effect.map(
    Schema.decode(Schema.parseJson(Output.Settings), { onExcessProperty: "error" })(stdout),
    ({ settings }) => new Map(settings.map(({ name, source, value }) => [name, { value, source }])),
  )

// Each of these starts processes, on machines that do other things too.
describe("settings", { timeout: 120_000 }, () => {
  it.scoped("tells of variables that look like settings and are none", () =>
    Effect.gen(function* () {
      const { embedbox } = yield* place
      const { code, stderr, stdout } = yield* embedbox(["config", "--json"], {
        env: { EMBEDBOX_BATCHSIZE: "7", EMBEDBOX_COFFEE: "black" },
      })
      assert.strictEqual(code, 0)
      assert.include(
        stderr,
        "embedbox: EMBEDBOX_BATCHSIZE is no setting and is not heeded: did you mean EMBEDBOX_BATCH_SIZE?\n",
      )
      assert.include(stderr, "embedbox: EMBEDBOX_COFFEE is no setting and is not heeded\n")
      assert.deepStrictEqual((yield* settingsOf(stdout)).get("batchSize"), { value: "32", source: "default" })
    }),
  )

  it.scoped("come from flags, the environment, the folder's file and the user's, in this order", () =>
    Effect.gen(function* () {
      const { embedbox, env, folder, user, write } = yield* place
      const own = join(folder, "embedbox.yaml")
      const users = join(user, "embedbox.json")
      yield* write(
        own,
        "# of this folder\ndatabase: notes.sqlite\nbatchSize: 3\nthreads: 2\nmatrixOwners: ['@a:b']\n",
      )
      yield* write(
        users,
        '{ "threads": 5, "processes": 6, "embeddingsKey": "hush", "embeddingsShorten": true }',
      )
      const { code, stderr, stdout } = yield* embedbox(["config", "--json", "--set", "batchSize=4"], {
        env: { EMBEDBOX_BATCH_SIZE: "7", EMBEDBOX_POLL_INTERVAL: "2s" },
      })
      assert.strictEqual(code, 0, stderr)
      const found = yield* settingsOf(stdout)
      const expected = {
        batchSize: { value: "4", source: "flag" },
        pollInterval: { value: "2s", source: "environment" },
        threads: { value: "2", source: own },
        // From the file that it stands in.
        database: { value: join(folder, "notes.sqlite"), source: own },
        matrixOwners: { value: "@a:b", source: own },
        processes: { value: "6", source: users },
        embeddingsShorten: { value: "on", source: users },
        embeddingsKey: { value: "(set, hidden)", source: users },
        concurrency: { value: "auto", source: "default" },
      }
      for (const [name, setting] of Object.entries(expected))
        assert.deepStrictEqual(found.get(name), setting, name)
      assert.notInclude(stdout, "hush")

      // And they count.
      yield* embedbox(["add", "-", "--model", "fake"], { stdin: "text" })
      const status = yield* embedbox(["status", "--json"])
      assert.include(status.stdout, `"database":"${join(folder, "notes.sqlite")}"`)
      const moved = yield* embedbox(["status", "--json", "--database", "other.sqlite"])
      assert.include(moved.stdout, `"database":"${join(folder, "other.sqlite")}"`)
      const daemon = yield* start("main.ts", [], { folder, env })
      yield* daemon.says(join(folder, "notes.sqlite"))
    }),
  )

  it.scoped("that are wrong are named with the place they stand in", () =>
    Effect.gen(function* () {
      const { embedbox, folder, user, write } = yield* place
      const own = join(folder, "embedbox.json")
      const cases: ReadonlyArray<readonly [text: string, says: string]> = [
        ['{ "batchSize": 0 }', `batchSize (${own}) is "0": it must be a whole number from 1 to 1000`],
        ['{ "batchsize": 1 }', `${own}: there is no setting "batchsize"`],
        ['{ "batchSize": ', `${own}: `],
        ["[1]", `${own}: settings are written as`],
        ['{ "matrixToken": "a\\nb" }', `matrixToken (${own}) is not usable`],
      ]
      yield* Effect.forEach(cases, ([text, says]) =>
        Effect.gen(function* () {
          yield* write(own, text)
          const { code, stderr } = yield* embedbox(["status"])
          assert.strictEqual(code, 1, stderr)
          assert.include(stderr, says)
          assert.lengthOf(stderr.trim().split("\n"), 2, stderr)
        }),
      )
      yield* write(own, "{}")
      yield* write(join(folder, "embedbox.yaml"), "")
      assert.include((yield* embedbox(["status"])).stderr, "keep one of them")
      yield* write(join(user, "other.yaml"), "batchSize: 9\n")
      const chosen = yield* embedbox(["config", "--json", "--config", join(user, "other.yaml")])
      assert.deepStrictEqual((yield* settingsOf(chosen.stdout)).get("batchSize"), {
        value: "9",
        source: join(user, "other.yaml"),
      })
    }),
  )

  it.scoped("serve the daemon, which ends well when it is stopped", () =>
    Effect.gen(function* () {
      const { env, folder } = yield* place
      const daemon = yield* start("bin.ts", ["serve", "--model", "fake", "--set", "batchSize=5"], {
        folder,
        env,
      })
      yield* daemon.says("embedbox is ready")
      yield* daemon.says("batchSize=5")
      yield* daemon.signal("SIGTERM")
      const { code, stdout } = yield* daemon.ended
      assert.strictEqual(code, 0)
      assert.strictEqual(stdout, "")
    }),
  )
})
