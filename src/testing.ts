/**
 * For the tests of hosts: a whole shell in memory, an embedder that fails on demand, and time that passes when the test
 * says so. `createTestShell` is for hosts of promises; `TestShell`, `FakeEmbedder` and `Faults` are for hosts in Effect.
 *
 * @example
 * import { createTestShell } from "embedbox/testing"
 *
 * await using shell = await createTestShell()
 * await shell.createEntity({ id: "bread", content: "flour, water, salt" })
 * await shell.drain()
 * const { results } = await shell.search("water")
 * console.log(results.map(({ entityId }) => entityId)) // [ "bread" ]
 */

/** A shell of promises for tests. */
export { createTestShell } from "./Testing/Promise.js"
export type {
  Failing,
  FailureOptions,
  Misbehaving,
  TestShell as PromiseTestShell,
  TestShellOptions,
} from "./Testing/Promise.js"
/** A shell in Effect for tests, and what lets its time pass. */
export * as TestShell from "./Testing/TestShell.js"
/** An embedder for tests: deterministic, instant, and able to fail on demand. */
export * as FakeEmbedder from "./Embedder/Fake.js"
/** Failures to order. */
export * as Faults from "./Testing/Faults.js"
