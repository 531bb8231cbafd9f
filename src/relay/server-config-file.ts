/** The server's configuration file in TOML, every complaint with its line and column. */
import { isIP } from "node:net"
import {
  either,
  listOf,
  object,
  optional,
  type ReadResult,
  readToml,
  required,
  type Schema,
  type ValueOf,
  type ValuesOf,
} from "../config/schema.ts"
import type { Position } from "../config/toml.ts"
import { boolean, choice, duration, integer, parsed } from "../config/values.ts"
import { AllowList } from "../transport/allow.ts"
import { isIpLiteral, readHost } from "../transport/host.ts"
import { MAX_BOARDS } from "./board-list.ts"
import { isUserName } from "./key.ts"
import { LEASE_DEFAULTS, type LeaseSettings } from "./lease-settings.ts"
import {
  type BmpPlace,
  BOARD_PORTS,
  isBoardName,
  SERVER_LIMITS,
  type ServerConfig,
  type ServerLimits,
  TUNNEL_PORT,
} from "./server-config.ts"

const SECOND = 1000
const WEEK = 7 * 24 * 3600 * SECOND

const host = parsed("a host name or an IPv4 address", (text) => {
  const found = readHost(text)
  if (isIP(found) === 6 || text.startsWith("[")) throw new RangeError("boards and BMPs have no IPv6")
  return found
})

const port = integer({ min: 1, max: 65_535 })

const listenAddress = parsed('an IP address of this machine, such as "192.0.2.7" or "::1"', (text) => {
  const address = text.replace(/^\[(.*)\]$/, "$1")
  return isIpLiteral(address) ? address : undefined
})

const network = parsed('a network such as "192.0.2.0/24", or an address', (text) => {
  AllowList.parse([text])
  return text
})

const serverName = parsed("a word without spaces", (text) => (isUserName(text) ? text : undefined))

const boardName = parsed('a word without spaces or commas, and not "all"', (text) =>
  isBoardName(text) ? text : undefined,
)

/** A BMP: its host alone, or a table. */
const bmp: Schema<string | BmpPlace> = either(
  host,
  object({
    host: required(host),
    port: optional(port, BOARD_PORTS.scp),
    board: optional(integer({ min: 0, max: 23 }), 0),
  }),
)

/** Of a lease, in [leases] for all boards and in [[boards]] for one. */
const leaseFields = {
  exclusive: optional(boolean),
  "session-timeout": optional(duration({ minMs: SECOND, maxMs: WEEK })),
  hold: optional(choice(["traffic", "session"])),
  "max-hold": optional(duration({ minMs: 0, maxMs: WEEK })),
  "on-release": optional(choice(["nothing", "power-cycle"])),
} as const
type LeaseValues = ValuesOf<typeof leaseFields>

function leaseOf(values: LeaseValues, otherwise: LeaseSettings): LeaseSettings {
  const maxHoldMs = values["max-hold"]
  return {
    exclusive: values.exclusive ?? otherwise.exclusive,
    sessionTimeoutMs: values["session-timeout"] ?? otherwise.sessionTimeoutMs,
    hold: values.hold ?? otherwise.hold,
    maxHoldMs: maxHoldMs === undefined ? otherwise.maxHoldMs : maxHoldMs || undefined,
    onRelease: values["on-release"] ?? otherwise.onRelease,
  }
}

/** A board as its own table says, and where, for what only shows beside the others. */
const board = object(
  {
    name: optional(boardName),
    address: required(host),
    "scp-port": optional(port, BOARD_PORTS.scp),
    "boot-port": optional(port, BOARD_PORTS.boot),
    type: optional(choice(["spin3", "spin5", "auto"]), "auto"),
    bmp: optional(bmp),
    ...leaseFields,
  },
  (values, _, placeOf) => {
    const { name, address, type, bmp } = values
    const place = typeof bmp === "string" ? { host: bmp, port: BOARD_PORTS.scp, board: 0 } : bmp
    return {
      placeOf,
      name: name ?? address,
      ...{ address, type, bmp: place, scpPort: values["scp-port"], bootPort: values["boot-port"] },
      lease: (otherwise: LeaseSettings) => leaseOf(values, otherwise),
    }
  },
)
type RawBoard = ValueOf<typeof board>

const limits = object(
  {
    "sessions-per-key": optional(integer({ min: 1, max: 64 }), SERVER_LIMITS.sessionsPerKey),
    resume: optional(duration({ minMs: 0, maxMs: 3600 * SECOND }), SERVER_LIMITS.resumeMs),
    flows: optional(integer({ min: 1, max: 4096 }), SERVER_LIMITS.maxFlows),
    "idle-timeout": optional(duration({ minMs: 0, maxMs: WEEK }), SERVER_LIMITS.idleTimeoutMs),
    "tag-buffer-mib": optional(integer({ min: 1, max: 1024 }), SERVER_LIMITS.tagBufferBytes >> 20),
  },
  (values): ServerLimits => ({
    sessionsPerKey: values["sessions-per-key"],
    resumeMs: values.resume,
    maxFlows: values.flows,
    idleTimeoutMs: values["idle-timeout"],
    tagBufferBytes: values["tag-buffer-mib"] << 20,
  }),
)

/** The file's schema. */
const serverConfig = object(
  {
    name: optional(serverName),
    listen: optional(listOf(listenAddress), []),
    port: optional(port, TUNNEL_PORT),
    allow: optional(listOf(network), []),
    limits: optional(limits, SERVER_LIMITS),
    leases: optional(
      object(leaseFields, (values) => leaseOf(values, LEASE_DEFAULTS)),
      LEASE_DEFAULTS,
    ),
    boards: required(listOf(board, { min: 1, max: MAX_BOARDS })),
  },
  (values, complainAt): ServerConfig => {
    const { name, listen, port, allow, limits, leases } = values
    noteShared(values.boards, complainAt)
    const boards = values.boards.map(({ placeOf, lease: settings, ...known }) => {
      const lease = settings(leases)
      if (lease.exclusive && lease.onRelease === "power-cycle" && !known.bmp) {
        complainAt(
          placeOf("on-release"),
          `${known.name} is to be power-cycled on release but has no bmp: expected bmp = "HOST", or on-release = "nothing"`,
        )
      }
      return { ...known, lease }
    })
    const wildcard = listen.includes("0.0.0.0") || listen.includes("::")
    return { name, listen: wildcard ? [] : [...new Set(listen)], port, allow, limits, boards }
  },
)

/** Two boards can have neither a name nor an address in common, nor a place at a BMP. */
function noteShared(boards: readonly RawBoard[], complainAt: (where: Position, text: string) => void): void {
  const seen = new Map<string, string>()
  const note = (board: RawBoard, key: "name" | "address" | "bmp", value: string, what: string): void => {
    const other = seen.get(`${key} ${value}`)
    if (other !== undefined) complainAt(board.placeOf(key), `${what} is that of ${other} already`)
    else seen.set(`${key} ${value}`, key === "name" ? "another board" : board.name)
  }
  for (const board of boards) {
    const { name, address, scpPort, bmp } = board
    note(board, "name", name, `the name ${name}`)
    note(board, "address", `${address.toLowerCase()} ${scpPort}`, `the address ${address}`)
    if (bmp) note(board, "bmp", `${bmp.host} ${bmp.port} ${bmp.board}`, `board ${bmp.board} of the BMP ${bmp.host}`)
  }
}

/** Reads a configuration file's text. */
export function readServerConfig(toml: string): ReadResult<ServerConfig> {
  return readToml(toml, serverConfig)
}
