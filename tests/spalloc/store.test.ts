import { Database } from "bun:sqlite"
import { expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Lab, labMachine } from "../support/spalloc-lab.ts"

test("the state is a database whose journal is a write-ahead log", () => {
  const folder = mkdtempSync(join(tmpdir(), "spalloc-store-"))
  try {
    const state = join(folder, "state.sqlite")
    new Lab([labMachine(1, 1)], {}, state).controller.close()
    const database = new Database(state, { readwrite: true })
    expect(database.query("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" })
    database.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
