/**
 * The server's state on disk: all SQL there is. Written once a turn, in one transaction.
 *
 * The journal is a write-ahead log without a sync at each commit: a killed process loses nothing, and a power cut may
 * lose the last turns but never breaks the file.
 */
import { Database, SQLiteError } from "bun:sqlite"

/** A live job as stored. */
export interface StoredJob {
  readonly id: number
  /** The JobRequest as JSON. */
  readonly request: string
  readonly creator: string
  /** Unix milliseconds. */
  readonly createdMs: number
  readonly state: "queued" | "power" | "ready"
  readonly power: boolean
}

/** Boards that are not free, as stored. */
export interface StoredHolding {
  readonly jobId: number
  readonly machine: string
  /** The Allocation as JSON. */
  readonly allocation: string
  /** Its frames as JSON. */
  readonly frames: string
  readonly phase: "held" | "off" | "cooling"
  /** Unix milliseconds; 0 unless cooling. */
  readonly untilMs: number
  readonly orphan: boolean
}

/** A destroyed job that is remembered. */
export interface StoredRetired {
  readonly id: number
  readonly reason: string | null
}

/** Power-ons that failed in a row. */
export interface StoredHealth {
  readonly machine: string
  readonly board: number
  readonly failures: number
  /** Why it is out of service; null while it is not. */
  readonly outDetail: string | null
}

/** What a machine looked like; a changed fingerprint ends its jobs. */
export interface StoredMachine {
  readonly name: string
  readonly fingerprint: string
}

/** All that is stored. */
export interface StoredState {
  readonly nextJobId: number
  readonly jobs: readonly StoredJob[]
  readonly holdings: readonly StoredHolding[]
  readonly retired: readonly StoredRetired[]
  readonly health: readonly StoredHealth[]
  readonly machines: readonly StoredMachine[]
}

/** What one turn changed. */
export interface StateChange {
  readonly nextJobId: number
  readonly jobs: readonly StoredJob[]
  readonly jobsGone: readonly number[]
  readonly holdings: readonly StoredHolding[]
  readonly holdingsGone: readonly number[]
  readonly retired: readonly StoredRetired[]
  readonly forgotten: readonly number[]
  readonly health: readonly StoredHealth[]
  /** All machines, where any changed. */
  readonly machines?: readonly StoredMachine[]
}

/** Goes up when the tables change. */
const SCHEMA_VERSION = 1
/** How long to wait for another process that has the file open. */
const BUSY_MS = 1000

const SCHEMA = `
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (id INTEGER PRIMARY KEY, request TEXT NOT NULL, creator TEXT NOT NULL, created_ms REAL NOT NULL,
  state TEXT NOT NULL, power INTEGER NOT NULL);
CREATE TABLE holdings (job_id INTEGER PRIMARY KEY, machine TEXT NOT NULL, allocation TEXT NOT NULL,
  frames TEXT NOT NULL, phase TEXT NOT NULL, until_ms REAL NOT NULL, orphan INTEGER NOT NULL);
CREATE TABLE retired (place INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL UNIQUE, reason TEXT);
CREATE TABLE health (machine TEXT NOT NULL, board INTEGER NOT NULL, failures INTEGER NOT NULL, out_detail TEXT,
  PRIMARY KEY (machine, board)) WITHOUT ROWID;
CREATE TABLE machines (name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = ${SCHEMA_VERSION};
`

/** One database file; `:memory:` is one that ends with the process. */
export class Store {
  readonly #database: Database
  readonly #apply: (change: StateChange) => void

  /** Opens or makes the file; throws if it cannot, is not ours, or another server has it. */
  constructor(path: string) {
    try {
      this.#database = new Database(path, { create: true, strict: true })
    } catch (error) {
      throw refusal(path, error)
    }
    try {
      this.#prepare(path)
    } catch (error) {
      this.#database.close()
      throw refusal(path, error)
    }
    const write = this.#writer()
    this.#apply = this.#database.transaction(write)
  }

  load(): StoredState {
    const all = <T>(sql: string) => this.#database.query(sql).all() as T[]
    const counter = this.#database.query("SELECT value FROM counters WHERE name = 'nextJobId'").get()
    return {
      nextJobId: (counter as { value: number } | null)?.value ?? 1,
      jobs: all<StoredJob>(
        "SELECT id, request, creator, created_ms AS createdMs, state, power FROM jobs ORDER BY id",
      ).map((job) => ({ ...job, power: Boolean(job.power) })),
      holdings: all<StoredHolding>(
        "SELECT job_id AS jobId, machine, allocation, frames, phase, until_ms AS untilMs, orphan FROM holdings ORDER BY job_id",
      ).map((holding) => ({ ...holding, orphan: Boolean(holding.orphan) })),
      retired: all("SELECT id, reason FROM retired ORDER BY place"),
      health: all("SELECT machine, board, failures, out_detail AS outDetail FROM health"),
      machines: all("SELECT name, fingerprint FROM machines"),
    }
  }

  /** All of a turn or nothing of it; throws if the disk does not take it. */
  commit(change: StateChange): void {
    this.#apply(change)
  }

  close(): void {
    this.#database.close()
  }

  #prepare(path: string): void {
    this.#database.run(`PRAGMA busy_timeout = ${BUSY_MS}`)
    // One server a file: two would give out the same boards.
    if (path !== ":memory:") this.#database.run("PRAGMA locking_mode = EXCLUSIVE")
    this.#database.run("PRAGMA journal_mode = WAL")
    this.#database.run("PRAGMA synchronous = NORMAL")
    const { user_version: version } = this.#database.query("PRAGMA user_version").get() as { user_version: number }
    if (version > SCHEMA_VERSION) {
      throw new Error(`the state ${path} was written by a newer version: use that one, or another file`)
    }
    // In one transaction, so that a kill here leaves an empty file and not half a schema. Writing takes the lock, too.
    this.#database.run("BEGIN IMMEDIATE")
    if (version === 0) this.#database.run(SCHEMA)
    this.#database.run("COMMIT")
  }

  #writer(): (change: StateChange) => void {
    const sql = (text: string) => this.#database.query(text)
    const setCounter = sql("INSERT OR REPLACE INTO counters VALUES ('nextJobId', ?)")
    const putJob = sql("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?)")
    const dropJob = sql("DELETE FROM jobs WHERE id = ?")
    const putHolding = sql("INSERT OR REPLACE INTO holdings VALUES (?, ?, ?, ?, ?, ?, ?)")
    const dropHolding = sql("DELETE FROM holdings WHERE job_id = ?")
    const putRetired = sql("INSERT OR REPLACE INTO retired (id, reason) VALUES (?, ?)")
    const dropRetired = sql("DELETE FROM retired WHERE id = ?")
    const putHealth = sql("INSERT OR REPLACE INTO health VALUES (?, ?, ?, ?)")
    const dropHealth = sql("DELETE FROM health WHERE machine = ? AND board = ?")
    const dropMachines = sql("DELETE FROM machines")
    const putMachine = sql("INSERT INTO machines VALUES (?, ?)")
    return (change) => {
      setCounter.run(change.nextJobId)
      for (const id of change.jobsGone) dropJob.run(id)
      for (const job of change.jobs) {
        putJob.run(job.id, job.request, job.creator, job.createdMs, job.state, job.power ? 1 : 0)
      }
      for (const id of change.holdingsGone) dropHolding.run(id)
      for (const { jobId, machine, allocation, frames, phase, untilMs, orphan } of change.holdings) {
        putHolding.run(jobId, machine, allocation, frames, phase, untilMs, orphan ? 1 : 0)
      }
      for (const { id, reason } of change.retired) putRetired.run(id, reason)
      for (const id of change.forgotten) dropRetired.run(id)
      for (const { machine, board, failures, outDetail } of change.health) {
        if (failures === 0) dropHealth.run(machine, board)
        else putHealth.run(machine, board, failures, outDetail)
      }
      if (!change.machines) return
      dropMachines.run()
      for (const { name, fingerprint } of change.machines) putMachine.run(name, fingerprint)
    }
  }
}

/** What SQLite says of a file, with the file and what to do. */
function refusal(path: string, error: unknown): Error {
  const code = error instanceof SQLiteError ? error.code : undefined
  if (code === "SQLITE_BUSY") {
    return new Error(`another server uses the state ${path}: end that one, or give this one another file`)
  }
  if (code === "SQLITE_NOTADB" || code === "SQLITE_CORRUPT") {
    return new Error(`${path} is no state of a spalloc server: give another file, or move this one away`)
  }
  if (code !== undefined) return new Error(`the state ${path} cannot be used: ${(error as Error).message}`)
  return error instanceof Error ? error : new Error(String(error))
}
