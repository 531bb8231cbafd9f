/** The server's own configuration file, TOML: `[server]` and a `[[machine]]` for each machine. */

import { wrong } from "../config/complaint.ts"
import { either, listOf, object, optional, type ReadResult, readToml, required, type Schema } from "../config/schema.ts"
import { boolean, integer, number, parsed, text } from "../config/values.ts"
import { AllowList } from "../transport/allow.ts"
import { BOARDS_PER_FRAME, buildMachine, MAX_TRIADS, noteShared, singleBoardMachine } from "./build-machine.ts"
import { DEFAULT_SETTINGS, type MachineConfig, type ServerSettings, type SpallocConfig } from "./config.ts"
import { BOARDS_PER_TRIAD, LINK_NAMES, LINKS_PER_BOARD } from "./geometry.ts"
import { parseIp, STANDARD_IPS, type StandardIps } from "./standard-ips.ts"
import type { BoardPlace, LinkPlace, PhysicalPlace } from "./types.ts"

const port = integer({ min: 1, max: 65535 })
const triads = integer({ min: 1, max: MAX_TRIADS })
const column = integer({ min: 0, max: MAX_TRIADS - 1 })
const boardOfTriad = integer({ min: 0, max: BOARDS_PER_TRIAD - 1 })
const rackNumber = integer({ min: 0, max: 65535 })
const ip = parsed("an IPv4 address such as 192.168.0.0", parseIp)
const cidr = parsed("a network such as 192.0.2.0/24", (typed) => {
  AllowList.parse([typed])
  return typed
})
/** What ids and versions of clients can read. */
const version = parsed('a version of whole numbers such as "1.0.0"', (typed) =>
  /^\d+(\.\d+)*$/.test(typed) ? typed : undefined,
)
const linkName = parsed(`one of ${LINK_NAMES.join(", ")}`, (typed) => {
  const link = (LINK_NAMES as readonly string[]).indexOf(typed)
  return link < 0 ? undefined : link
})
const link = either(integer({ min: 0, max: LINKS_PER_BOARD - 1 }), linkName)

/** A list in which each place has a meaning of its own. */
function tuple<T extends readonly unknown[]>(expected: string, ...parts: { [K in keyof T]: Schema<T[K]> }): Schema<T> {
  return {
    expected,
    read(node, name, complain) {
      if (node.kind !== "list" || node.items.length !== parts.length) return wrong(node, name, expected, complain)
      const values = node.items.map((item, index) => parts[index]!.read(item, name, complain))
      return values.some((value) => value === undefined) ? undefined : (values as unknown as T)
    },
  }
}

const boardPlace = tuple<BoardPlace>("a board as [x, y, z]", column, column, boardOfTriad)
const linkPlace = tuple<LinkPlace>("a link as [x, y, z, link]", column, column, boardOfTriad, link)
const physicalPlace = tuple<PhysicalPlace>(
  "a place as [cabinet, frame, board]",
  rackNumber,
  rackNumber,
  integer({ min: 0, max: BOARDS_PER_FRAME - 1 }),
)
const framePlace = tuple<readonly [number, number]>("a frame as [cabinet, frame]", rackNumber, rackNumber)

const D = DEFAULT_SETTINGS
const count = integer({ min: 1, max: 1_000_000 })

const server: Schema<ServerSettings> = object(
  {
    listen: optional(text(), D.listen),
    port: optional(port, D.port),
    allow: optional(listOf(cidr), D.allow),
    "max-jobs": optional(count, D.maxJobs),
    "max-jobs-per-host": optional(count, D.maxJobsPerHost),
    "max-connections-per-host": optional(count, D.maxConnectionsPerHost),
    "owner-only": optional(boolean, D.ownerOnly),
    version: optional(version, D.version),
    "timeout-check-interval": optional(number({ min: 0.01, max: 3600 }), D.timeoutCheckIntervalS),
    "max-retired-jobs": optional(integer({ min: 0, max: 1_000_000 }), D.maxRetiredJobs),
    "seconds-before-free": optional(number({ min: 0, max: 86_400 }), D.secondsBeforeFree),
  },
  (values) => ({
    listen: values.listen,
    port: values.port,
    allow: values.allow,
    maxJobs: values["max-jobs"],
    maxJobsPerHost: values["max-jobs-per-host"],
    maxConnectionsPerHost: values["max-connections-per-host"],
    ownerOnly: values["owner-only"],
    version: values.version,
    timeoutCheckIntervalS: values["timeout-check-interval"],
    maxRetiredJobs: values["max-retired-jobs"],
    secondsBeforeFree: values["seconds-before-free"],
  }),
)

const standardIps: Schema<StandardIps> = object(
  {
    base: optional(ip, STANDARD_IPS.base),
    "cabinet-stride": optional(ip, STANDARD_IPS.cabinetStride),
    "frame-stride": optional(ip, STANDARD_IPS.frameStride),
    "board-stride": optional(ip, STANDARD_IPS.boardStride),
    "bmp-offset": optional(ip, STANDARD_IPS.bmpOffset),
    "spinnaker-offset": optional(ip, STANDARD_IPS.spinnakerOffset),
  },
  (values) => ({
    base: values.base,
    cabinetStride: values["cabinet-stride"],
    frameStride: values["frame-stride"],
    boardStride: values["board-stride"],
    bmpOffset: values["bmp-offset"],
    spinnakerOffset: values["spinnaker-offset"],
  }),
)

const board = object(
  { at: required(boardPlace), place: required(physicalPlace), host: optional(text()) },
  (values) => ({
    logical: values.at,
    physical: values.place,
    ...(values.host === undefined ? {} : { host: values.host }),
  }),
)
const bmp = object({ frame: required(framePlace), host: required(text()) }, ({ frame: [cabinet, frame], host }) => ({
  cabinet,
  frame,
  host,
}))
const singleBoard = object({ bmp: required(text()), host: required(text()) })

/** Where in the file a part of a machine is. */
const KEYS = {
  name: "name",
  width: "width",
  deadBoards: "dead-boards",
  deadLinks: "dead-links",
  boards: "boards",
  bmps: "bmps",
} as const

const machine: Schema<MachineConfig | undefined> = object(
  {
    name: required(text()),
    tags: optional(listOf(text()), ["default"]),
    width: optional(triads),
    height: optional(triads),
    "dead-boards": optional(listOf(boardPlace), []),
    "dead-links": optional(listOf(linkPlace), []),
    boards: optional(listOf(board), []),
    bmps: optional(listOf(bmp), []),
    "standard-ips": optional(standardIps),
    "single-board": optional(singleBoard),
  },
  (values, complainAt) => {
    const { name, tags } = values
    const single = values["single-board"]
    if (single) {
      for (const key of ["width", "height"] as const) {
        if (values[key] !== undefined) complainAt(key, `a machine with single-board has no ${key}: it is one board`)
      }
      for (const key of ["boards", "bmps", "dead-boards", "dead-links"] as const) {
        if (values[key].length > 0) complainAt(key, `a machine with single-board has no ${key}: it is one board`)
      }
      return singleBoardMachine(name, tags, single.bmp, single.host)
    }
    return buildMachine(
      {
        name,
        tags,
        width: values.width,
        height: values.height,
        deadBoards: values["dead-boards"],
        deadLinks: values["dead-links"],
        boards: values.boards,
        bmps: values.bmps,
        standardIps: values["standard-ips"],
      },
      (part, complaint) => complainAt(KEYS[part], complaint),
    )
  },
)

const file: Schema<SpallocConfig> = object(
  { server: optional(server, D), machine: optional(listOf(machine), []) },
  (values, complainAt) => {
    const machines = values.machine.filter((one) => one !== undefined)
    noteShared(machines, (_index, complaint) => complainAt("machine", complaint))
    return { settings: values.server, machines }
  },
)

/** Reads the text of a configuration file; all complaints with their places if anything is wrong. */
export function readTomlConfig(toml: string): ReadResult<SpallocConfig> {
  return readToml(toml, file)
}
