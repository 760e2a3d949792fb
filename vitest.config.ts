import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: { alias: { embedbox: fileURLToPath(new URL("./src/index.ts", import.meta.url)) } },
  test: {
    include: ["test/**/*.test.ts"],
    // The native tokenizer and better-sqlite3 want a process of their own, not a thread.
    pool: "forks",
    // Real models and real processes share two cores with everything else.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
