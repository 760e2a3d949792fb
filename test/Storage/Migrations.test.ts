import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Migrations from "../../src/Storage/Migrations.js"
import * as Sqlite from "../../src/Storage/Sqlite.js"
import { script } from "../support/programs.js"
import { open, otherConnection, tempFile, tempFolder } from "./support.js"

const statement = (text: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.asVoid(sql.unsafe(text)))

const one = { "0001_one": statement("CREATE TABLE one (x)") }
const two = { ...one, "0002_two": statement("CREATE TABLE two (x)") }

const tablesOf = (file: string) => {
  const database = new Database(file, { readonly: true })
  const names = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .pluck()
    .all()
  database.close()
  return names
}

const opened = (file: string, migrations: Migrations.Migrations) => Effect.scoped(open(file, { migrations }))

describe("migrations", () => {
  it.scoped("bring a new file to the tables this program knows, and an old one forward", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      yield* opened(file, one)
      expect(tablesOf(file)).toEqual(["embedbox_migrations", "one"])
      yield* opened(file, two)
      yield* opened(file, two)
      expect(tablesOf(file)).toEqual(["embedbox_migrations", "one", "two"])
    }),
  )

  it.scoped("of this program apply to a fresh file", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      yield* Layer.build(Sqlite.layer({ filename: file }))
      expect(tablesOf(file)).toEqual(
        expect.arrayContaining(["embedbox_migrations", "embedding_queue", "entities"]),
      )
      expect(Migrations.latest(Migrations.known)).toBeGreaterThan(0)
    }),
  )

  it.scoped("share a file with another program's tables", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      const other = yield* otherConnection(file)
      other.exec("CREATE TABLE effect_sql_migrations (x); INSERT INTO effect_sql_migrations VALUES (99)")
      yield* opened(file, one)
      expect(tablesOf(file)).toEqual(["effect_sql_migrations", "embedbox_migrations", "one"])
    }),
  )

  it.scoped("refuse a file that a newer version wrote, and touch nothing", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      yield* opened(file, two)
      const before = readFileSync(file)
      const error = yield* Effect.flip(opened(file, one))
      expect(error).toMatchObject({ _tag: "StorageError", trouble: "NewerVersion" })
      expect(error.message).toContain(file)
      expect(error.message).toMatch(/version 2, this program knows 1\): update this program/)
      expect(readFileSync(file).equals(before)).toBe(true)
      expect(existsSync(`${file}-wal`)).toBe(false)
      yield* opened(file, two)
    }),
  )

  it.scoped("take no write lock when there is nothing to do", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      yield* opened(file, two)
      const other = yield* otherConnection(file)
      other.exec("BEGIN IMMEDIATE; INSERT INTO one VALUES (1)")
      yield* opened(file, two) // by TestClock: any wait would be for ever
      other.exec("COMMIT")
    }),
  )

  it.scoped("are all undone when one fails, and say which and why", () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      const error = yield* Effect.flip(
        opened(file, { ...one, "0002_bad": statement("CREATE TABLE one (again)") }),
      )
      expect(error).toMatchObject({ _tag: "StorageError", trouble: "Other" })
      expect(error.message).toContain(file)
      expect(error.message).toMatch(/already exists/)
      expect(tablesOf(file)).toEqual([])
      const died = yield* Effect.flip(opened(file, { "0001_dies": Effect.die(new Error("oh")) }))
      expect(died.message).toMatch(/could not be migrated.*oh/)
      yield* opened(file, two)
    }),
  )

  it.scoped("of two processes at once leave both with the tables", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const files = Array.from({ length: 15 }, (_, n) => join(folder, `${n}.db`))
      const child = script(fileURLToPath(new URL("child.ts", import.meta.url)))
      const found = yield* Effect.promise(async () => {
        const children = [1, 2].map(() =>
          spawn(process.execPath, [...child, ...files], {
            stdio: ["pipe", "pipe", "inherit"],
          }),
        )
        await Promise.all(children.map((child) => once(child.stdout, "data")))
        const outputs = children.map((child) => text(child.stdout))
        for (const child of children) child.stdin.end("go")
        return Promise.all(outputs)
      })
      const expected = JSON.stringify(files.map(tablesOf))
      expect(tablesOf(join(folder, "0.db"))).toContain("embedding_queue")
      expect(found).toEqual([expected, expected])
    }),
  )
})
