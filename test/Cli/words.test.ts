import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Arguments from "../../src/Cli/Arguments.js"
import * as Failure from "../../src/Cli/Failure.js"
import * as Progress from "../../src/Cli/Progress.js"
import { EntityNotFound, StorageError } from "../../src/Domain/Errors.js"

const switches = new Set(["--json", "--wait"])

describe("the words of the command line", () => {
  it.each([
    ["get x --json", "get --json x"],
    ["add - --id 5 --json", "add --id 5 --json -"],
    ["search --limit=3 a b --mode lexical", "search --limit=3 --mode lexical a b"],
    ["search a --json -- --wait b", "search --json a -- --wait b"],
    ["--version", "--version"],
    ["get x --quiet --json", "--quiet get --json x"],
    ["--database a list --limit 3", "--database a list --limit 3"],
    ["list --database a --limit 3 --set b=c -v", "--database a --set b=c -v list --limit 3"],
    ["list --database=a", "--database=a list"],
    ["search -- --quiet", "search -- --quiet"],
    ["", ""],
  ])("%j is read as %j", (given, read) => {
    const words = given === "" ? [] : given.split(" ")
    assert.strictEqual(Arguments.ordered(words, switches).join(" "), read)
  })

  it("end in the code that the README names", () => {
    const code = (error: unknown) => Failure.tell(Exit.fail(error)).code
    assert.strictEqual(Failure.tell(Exit.void).code, 0)
    assert.strictEqual(code(new StorageError({ trouble: "Full", reason: "the disk is full" })), 1)
    assert.strictEqual(code(new Failure.WrongUsage({ reason: "so", advice: "not so" })), 2)
    assert.strictEqual(code(new EntityNotFound({ entityType: "base", entityId: "x" })), 3)
    assert.strictEqual(code(new Failure.SomeFailed({ count: 1 })), 4)
    assert.strictEqual(Failure.tell(Exit.failCause(Cause.interrupt(FiberId.none))).code, 130)
  })

  it("tell of a fault of ours in two lines too", () => {
    const { code, lines } = Failure.tell(Exit.die(new TypeError("x is not a function")))
    assert.strictEqual(code, 1)
    assert.strictEqual(lines.length, 2)
  })

  it("tell how far work is", () => {
    assert.strictEqual(Progress.words({ total: 10, done: 0, failed: 0 }, 0), "0 of 10")
    assert.strictEqual(
      Progress.words({ total: 1000, done: 98, failed: 2 }, 4.5),
      "100 of 1000, 4.5/s, 3 min left, 2 failed",
    )
    assert.strictEqual(
      Progress.words({ total: 1000, done: 0, failed: 0, chunksLeft: 2300 }, 100),
      "0 of 1000, 100/s, about 2300 chunks, 10 s left",
    )
    assert.strictEqual(Progress.words({ total: 5, done: 5, failed: 0 }, 20), "5 of 5, 20/s")
    assert.strictEqual(Progress.bar({ total: 4, done: 1, failed: 1 }, 8), "████░░░░")
    assert.strictEqual(Progress.bar({ total: 0, done: 0, failed: 0 }, 3), "░░░")
  })
})
