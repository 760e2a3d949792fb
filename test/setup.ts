/**
 * Before the tests: the child that stands in for the model is bundled into one file of JavaScript. Tests of processes
 * that die fork it some hundred times, and from TypeScript each start takes five times as long.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** The file of `Embedder/fixtures/StubChild.ts`, as JavaScript. */
    readonly stubChild: string
  }
}

export default async (project: TestProject): Promise<() => void> => {
  const folder = mkdtempSync(join(tmpdir(), "embedbox-tests-"))
  const stubChild = join(folder, "StubChild.mjs")
  const bundle = () =>
    build({
      entryPoints: [fileURLToPath(new URL("Embedder/fixtures/StubChild.ts", import.meta.url))],
      outfile: stubChild,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      logLevel: "warning",
    })
  await bundle()
  project.provide("stubChild", stubChild)
  project.onTestsRerun(async () => void (await bundle()))
  return () => rmSync(folder, { recursive: true, force: true })
}
