import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import { retryAfterOf } from "../../src/Matrix/Client.js"
import { parse } from "../../src/Matrix/Command.js"
import { MatrixError, NotHolder } from "../../src/Matrix/Errors.js"
import { messageOf, spoken } from "../../src/Matrix/Events.js"
import { spacingAfter } from "../../src/Matrix/Following.js"
import * as Ids from "../../src/Matrix/Ids.js"
import * as Persisting from "../../src/Matrix/Persisting.js"
import { covers, isEntry, isOwnerEntry, roleOf } from "../../src/Matrix/Roles.js"
import { isDirect, unknown } from "../../src/Matrix/Rooms.js"

const errorOf = (more: Partial<ConstructorParameters<typeof MatrixError>[0]>) =>
  new MatrixError({ request: "sync", status: 0, errcode: null, reason: "", retryAfterMillis: null, ...more })

describe("the rules of the Matrix interface", () => {
  it.each([
    ["!add two\nlines ", { name: "add", rest: "two\nlines" }],
    ["  !SEARCH  where is it", { name: "search", rest: "where is it" }],
    ["!!rm a/b", { name: "remove", rest: "a/b" }],
    ["!!retry all", { name: "retryAll", rest: "all" }],
    ["!rm x", { name: "unknown", rest: "!rm" }],
    ["!!!add x", { name: "unknown", rest: "!!!add" }],
    ["! add x", { name: "unknown", rest: "! add" }],
    ["!add, please", { name: "unknown", rest: "!add," }],
    ["!foo1 bar", { name: "unknown", rest: "!foo1" }],
    ["!", undefined],
    ["!?", undefined],
    ["add x", undefined],
    ["", undefined],
  ])("%j is read as %j", (text, read) => {
    assert.deepStrictEqual(parse(text), read)
  })

  it("give a role to those who are named, and to nobody else", () => {
    const roles = { owners: ["@o:a"], trusted: ["@t:a", "!room:a"], public: ["@*:b:8448", "!open"] }
    const cases: ReadonlyArray<readonly [sender: string, room: string, role: string | undefined]> = [
      ["@o:a", "!x:a", "owner"],
      ["@t:a", "!x:a", "trusted"],
      ["@x:a", "!room:a", "trusted"],
      ["@x:b:8448", "!x:a", "public"],
      ["@x:b", "!x:a", undefined],
      ["@x:evil-b:8448", "!x:a", undefined],
      ["@x:c", "!open", "public"],
      ["@x:a", "!room:ab", undefined],
      ["@O:a", "!x:a", undefined],
    ]
    for (const [sender, room, role] of cases) assert.strictEqual(roleOf(roles, sender, room), role, sender)
    assert.isTrue(covers("owner", "public"))
    assert.isFalse(covers("public", "trusted"))
    // Nobody owns it by being somewhere.
    assert.isFalse(isOwnerEntry("!room:a"))
    assert.isFalse(isOwnerEntry("@*:a"))
    assert.isTrue(isEntry("@*:a"))
    assert.isFalse(isEntry("#alias:a"))
  })

  it("take for ids what can be ids", () => {
    for (const id of ["@a:b", "@a.b=c/d+e:example.org:8448", "@:b".replace(":", "x:")])
      assert.isTrue(Ids.isUserId(id), id)
    for (const id of ["a:b", "@a", "@a b:c", `@${"a".repeat(255)}:b`, "@a:b/c d"])
      assert.isFalse(Ids.isUserId(id), id)
    assert.isTrue(Ids.isRoomId("!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"))
    assert.isTrue(Ids.isEventId("$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk"))
    assert.deepStrictEqual(Ids.mxcOf("mxc://a.b:8448/x_y-Z"), { server: "a.b:8448", media: "x_y-Z" })
    for (const uri of ["mxc://a/b/c", "mxc://a/../b", "mxc://a/b?c", "http://a/b", "mxc:///b", "mxc://a/"]) {
      assert.isUndefined(Ids.mxcOf(uri), uri)
    }
    assert.strictEqual(Ids.permalink("!a:b", "$c/d+e"), "https://matrix.to/#/!a%3Ab/%24c%2Fd%2Be")
  })

  it("leave away the quotation of a reply, and nothing else", () => {
    const said = (body: string, isReply = true) =>
      spoken(
        messageOf({
          msgtype: "m.text",
          body,
          ...(isReply ? { "m.relates_to": { "m.in_reply_to": { event_id: "$a" } } } : {}),
        }),
      )
    assert.strictEqual(said("> <@a:b> old\n> older\n\n!add"), "!add")
    assert.strictEqual(said("> a quotation of my own", false), "> a quotation of my own")
    assert.strictEqual(said("> only a quotation"), "")
    assert.strictEqual(said("no quotation\n> but this"), "no quotation\n> but this")
  })

  it("know a room of two by its members, and by the invitation where they are not known", () => {
    const room = unknown("!a:b")
    assert.isFalse(isDirect(room))
    assert.isTrue(isDirect({ ...room, direct: true }))
    assert.isTrue(isDirect({ ...room, joined: 2, invited: 0 }))
    assert.isTrue(isDirect({ ...room, joined: 1, invited: 1 }))
    assert.isFalse(isDirect({ ...room, joined: 2, invited: 1 }))
    assert.isFalse(isDirect({ ...room, direct: true, joined: 3, invited: 0 }))
  })

  it("read Retry-After as HTTP has it", () => {
    assert.strictEqual(retryAfterOf("3", 0), 3_000)
    assert.strictEqual(retryAfterOf("Thu, 01 Jan 1970 00:00:10 GMT", 4_000), 6_000)
    assert.strictEqual(retryAfterOf("Thu, 01 Jan 1970 00:00:10 GMT", 14_000), 0)
    assert.isUndefined(retryAfterOf("soon", 0))
    assert.isUndefined(retryAfterOf(undefined, 0))
  })

  it("let a message show progress less and less often", () => {
    const editEvery = Duration.seconds(5)
    assert.strictEqual(spacingAfter({ editEvery }, 0), 5_000)
    assert.isAbove(spacingAfter({ editEvery }, 19), Duration.toMillis("2 hours"))
  })

  it("tell failures apart", () => {
    assert.isTrue(errorOf({ status: 0 }).isTransient)
    assert.isTrue(errorOf({ status: 503 }).isTransient)
    assert.isTrue(errorOf({ status: 429, errcode: "M_LIMIT_EXCEEDED" }).isLimit)
    assert.isFalse(errorOf({ status: 403, errcode: "M_FORBIDDEN" }).isTransient)
    assert.isTrue(errorOf({ status: 401, errcode: "M_UNKNOWN_TOKEN" }).isSignedOut)
    assert.isTrue(errorOf({ status: 404, errcode: "M_UNRECOGNIZED" }).isUnknownEndpoint)
    assert.isFalse(errorOf({ status: 404, errcode: "M_NOT_FOUND" }).isUnknownEndpoint)
    assert.strictEqual(
      errorOf({ status: 403, errcode: "M_FORBIDDEN", reason: "no" }).message,
      "sync: M_FORBIDDEN, no",
    )
  })

  it.effect("go on after failures, later each time, and as late as they are asked to", () =>
    Effect.gen(function* () {
      const tries = yield* Ref.make(0)
      const step = (error: MatrixError) =>
        Effect.zipRight(
          Ref.update(tries, (n) => n + 1),
          Effect.fail(error),
        )
      const triesWithin = (error: MatrixError, time: Duration.DurationInput) =>
        Effect.gen(function* () {
          yield* Ref.set(tries, 0)
          const fiber = yield* Effect.fork(Persisting.forever("testing", step(error)))
          yield* TestClock.adjust(time)
          yield* Fiber.interrupt(fiber)
          return yield* Ref.get(tries)
        })
      // 1, 2, 4, 8, 16, 30, 30 … seconds, a fifth more or less.
      assert.oneOf(yield* triesWithin(errorOf({ status: 503 }), "90 seconds"), [6, 7, 8, 9])
      // Who is turned away does not knock for ever.
      assert.oneOf(yield* triesWithin(errorOf({ status: 403 }), "1 hour"), [17, 18, 19, 20, 21, 22, 23, 24])
      assert.strictEqual(
        yield* triesWithin(errorOf({ status: 429, retryAfterMillis: 10_000 }), "95 seconds"),
        10,
      )
    }),
  )

  it.effect("end when the account is lost", () =>
    Effect.gen(function* () {
      const lost = new NotHolder({ account: "@a:b" })
      assert.strictEqual(yield* Effect.flip(Persisting.forever("testing", Effect.fail(lost))), lost)
    }),
  )
})
