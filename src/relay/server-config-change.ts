/** What differs between two configurations of a server, for a reload that ends no session. */
import { isDeepStrictEqual } from "node:util"
import type { BoardConfig, ServerConfig, ServerLimits } from "./server-config.ts"

/** What a reload has to do. */
export interface ServerConfigChange {
  readonly added: readonly BoardConfig[]
  readonly removed: readonly BoardConfig[]
  /** Boards that keep their name; `moved` if another address or port must be dialled. */
  readonly changed: readonly { readonly before: BoardConfig; readonly after: BoardConfig; readonly moved: boolean }[]
  readonly limits: boolean
  readonly allow: boolean
  readonly name: boolean
  /** Keys whose change takes a restart, as they stand in the file. */
  readonly restart: readonly string[]
}

/** Limits that are built into what runs, as they stand in the file; the others hold from the next session on. */
const FIXED_LIMITS: Readonly<Partial<Record<keyof ServerLimits, string>>> = {
  maxFlows: "flows",
  idleTimeoutMs: "idle-timeout",
  tagBufferBytes: "tag-buffer-mib",
}

/** Compares two configurations. */
export function compareServerConfigs(before: ServerConfig, after: ServerConfig): ServerConfigChange {
  const old = new Map(before.boards.map((board) => [board.name, board]))
  const names = new Set(after.boards.map(({ name }) => name))
  const differs = (key: keyof ServerConfig): boolean => !isDeepStrictEqual(before[key], after[key])
  const limits = (Object.keys(after.limits) as (keyof ServerLimits)[]).filter(
    (key) => before.limits[key] !== after.limits[key],
  )
  return {
    added: after.boards.filter(({ name }) => !old.has(name)),
    removed: before.boards.filter(({ name }) => !names.has(name)),
    changed: after.boards.flatMap((board) => {
      const was = old.get(board.name)
      if (!was || isDeepStrictEqual(was, board)) return []
      return [{ before: was, after: board, moved: !isDeepStrictEqual(placeOf(was), placeOf(board)) }]
    }),
    limits: limits.some((key) => !FIXED_LIMITS[key]),
    allow: differs("allow"),
    name: differs("name"),
    restart: [...(["listen", "port"] as const).filter(differs), ...limits.flatMap((key) => FIXED_LIMITS[key] ?? [])],
  }
}

const placeOf = ({ address, scpPort, bootPort }: BoardConfig) => [address, scpPort, bootPort]

/** A line for each difference, for whoever asked for the reload; none if nothing has changed. `legacy`: the old ports are open. */
export function describeChange(change: ServerConfigChange, { legacy = false } = {}): string[] {
  const other = (["limits", "allow", "name"] as const).filter((key) => change[key])
  const old = legacy && change.allow ? ["allow of the old ports (--legacy)"] : []
  return [
    ...change.added.map(({ name, address }) => `${name} added (${address})`),
    ...change.removed.map(({ name }) => `${name} removed`),
    ...change.changed.map(({ after: { name, address }, moved }) =>
      moved ? `${name} is at ${address} now` : `${name} changed`,
    ),
    ...other.map((key) => `${key} changed`),
    ...[...old, ...change.restart].map((key) => `${key} changed: that takes a restart of the server`),
  ]
}
