import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Config from "../../src/Shell/Config.js"
import * as Interfaces from "../../src/Shell/Interfaces.js"
import { quiet } from "../support.js"

const matrix = (variables: Record<string, string>) =>
  Effect.flatMap(Config.load(), Interfaces.matrix).pipe(
    Effect.withConfigProvider(
      ConfigProvider.fromMap(
        new Map(Object.entries(variables).map(([name, value]) => [`EMBEDBOX_MATRIX_${name}`, value])),
      ),
    ),
    Effect.provide(quiet),
  )

const place = { HOMESERVER: "https://matrix.example.org", USER: "@notes:example.org" }

describe("the Matrix bot of the settings", () => {
  it.effect("is none where nobody asks for one", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* matrix({}))
      assert.isUndefined(yield* matrix({ HOMESERVER: "", OWNERS: "@me:example.org" }))
    }),
  )

  it.effect("is whom it is given, with a token rather than a password", () =>
    Effect.gen(function* () {
      const asked = yield* matrix({
        ...place,
        TOKEN: "syt_secret",
        PASSWORD: "hunter2",
        OWNERS: "@me:example.org, @you:example.org",
        TRUSTED: "!room:example.org",
        PUBLIC: "@*:example.org",
      })
      assert.strictEqual(asked?.credentials._tag, "Token")
      assert.deepStrictEqual(asked?.roles, {
        owners: ["@me:example.org", "@you:example.org"],
        trusted: ["!room:example.org"],
        public: ["@*:example.org"],
      })
      assert.notInclude(JSON.stringify(asked), "syt_secret")
      const other = yield* matrix({ ...place, PASSWORD: "hunter2" })
      assert.isTrue(
        other?.credentials._tag === "Password" && Redacted.value(other.credentials.password) === "hunter2",
      )
    }),
  )

  it.effect.each([
    [{ ...place }, /^EMBEDBOX_MATRIX_TOKEN \(or EMBEDBOX_MATRIX_PASSWORD\) is not set/],
    [{ HOMESERVER: place.HOMESERVER, TOKEN: "x" }, /^EMBEDBOX_MATRIX_USER is not set/],
    [{ USER: place.USER }, /^EMBEDBOX_MATRIX_HOMESERVER is not set, and EMBEDBOX_MATRIX_USER is/],
    [{ PASSWORD: "x" }, /^EMBEDBOX_MATRIX_HOMESERVER is not set, and EMBEDBOX_MATRIX_PASSWORD is/],
    [
      { HOMESERVER: "matrix.example.org" },
      /^EMBEDBOX_MATRIX_HOMESERVER is "matrix\.example\.org": it must be an address/,
    ],
    [{ USER: "notes" }, /must be a user id such as/],
    [{ OWNERS: "!room:example.org" }, /^EMBEDBOX_MATRIX_OWNERS is .*must be user ids/],
    [{ TRUSTED: "#alias:example.org" }, /must be user ids and room ids/],
    [{ TOKEN: "two\nlines" }, /^EMBEDBOX_MATRIX_TOKEN is not usable: it must be a secret/],
  ] satisfies ReadonlyArray<readonly [Record<string, string>, RegExp]>)(
    "%j is refused: %s",
    ([variables, says]) =>
      Effect.gen(function* () {
        const { message } = yield* Effect.flip(matrix(variables))
        assert.match(message, says)
        assert.notInclude(message, "two")
      }),
  )
})
