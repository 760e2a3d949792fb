import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const source = (file: string) => fileURLToPath(new URL("./src/", import.meta.url)) + file

export default defineConfig({
  resolve: {
    alias: [
      { find: /^embedbox$/, replacement: source("index.ts") },
      { find: /^embedbox\/(promise|testing)$/, replacement: source("$1.ts") },
    ],
  },
  test: {
    globalSetup: "test/setup.ts",
    include: ["test/**/*.test.ts", "scratchpad/host/*.test.ts"],
    // The native tokenizer and better-sqlite3 want a process of their own, not a thread.
    pool: "forks",
    // Most tests wait for processes and files: one file at a time, as by default on two cores, would waste a core.
    poolOptions: { forks: { minForks: 1, maxForks: Math.max(2, availableParallelism() - 1) } },
    // Real models and real processes share two cores with everything else.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
