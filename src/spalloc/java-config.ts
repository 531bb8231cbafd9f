/**
 * The Java server's machine file: JSON. Source: the spalloc facts §15. Two shorthands of the Python servers are taken in
 * a machine, too: `"standard-ips": {"base": …}` in place of addresses, and `"single-board": {"bmp", "host"}`.
 */
import { isJsonObject } from "../protocol/json-lines.ts"
import { buildMachine, type DescribedMachine, MAX_TRIADS, noteShared, singleBoardMachine } from "./build-machine.ts"
import { DEFAULT_SETTINGS, type MachineConfig, type SpallocConfig } from "./config.ts"
import { BOARDS_PER_TRIAD, LINK_NAMES } from "./geometry.ts"
import { parseIp, STANDARD_IPS, type StandardIps } from "./standard-ips.ts"
import type { BoardPlace, LinkPlace } from "./types.ts"

/** Longest file that is read, in characters. */
const MAX_LENGTH = 16 << 20

type Json = Readonly<Record<string, unknown>>

/** Something wrong at a place such as `machines[0].width`. */
class Wrong extends Error {}

/** Reads the file; complaints say where by path, such as `machines[0].bmp-ips`. */
export function readJavaConfig(
  text: string,
):
  | { readonly ok: true; readonly value: SpallocConfig }
  | { readonly ok: false; readonly complaints: readonly string[] } {
  const complaints: string[] = []
  try {
    const value = readFile(text, complaints)
    return complaints.length === 0 ? { ok: true, value } : { ok: false, complaints }
  } catch (error) {
    if (!(error instanceof Wrong)) throw error
    return { ok: false, complaints: [...complaints, error.message] }
  }
}

function readFile(text: string, complaints: string[]): SpallocConfig {
  if (text.length > MAX_LENGTH)
    throw new Wrong(`the file has ${text.length} characters: at most ${MAX_LENGTH} are read`)
  const file = table(parseJson(text), "the file")
  const machines = list(file.machines ?? [], "machines").flatMap((raw, index) => {
    const path = `machines[${index}]`
    try {
      return readMachine(table(raw, path), path, complaints) ?? []
    } catch (error) {
      if (!(error instanceof Wrong)) throw error
      complaints.push(error.message)
      return []
    }
  })
  noteShared(machines, (_index, complaint) => complaints.push(`machines: ${complaint}`))
  const D = DEFAULT_SETTINGS
  const or = (key: string, otherwise: number, min: number, max: number) =>
    file[key] === undefined ? otherwise : amount(file[key], key, min, max)
  const settings = {
    ...D,
    // The Java server means all interfaces by an empty one; whoever wants that here has to say so.
    listen: file.ip === undefined || file.ip === "" ? D.listen : string(file.ip, "ip"),
    port: whole(file.port ?? D.port, "port", 65535),
    timeoutCheckIntervalS: or("timeout-check-interval", D.timeoutCheckIntervalS, 0.01, 3600),
    maxRetiredJobs: whole(file["max-retired-jobs"] ?? D.maxRetiredJobs, "max-retired-jobs", 1_000_000),
    secondsBeforeFree: or("seconds-before-free", D.secondsBeforeFree, 0, 86_400),
  }
  return { settings, machines }
}

function readMachine(raw: Json, path: string, complaints: string[]): MachineConfig | undefined {
  const name = string(raw.name, `${path}.name`)
  const tags =
    raw.tags === undefined ? ["default"] : list(raw.tags, `${path}.tags`).map((tag) => string(tag, `${path}.tags`))
  if (raw["single-board"] !== undefined) {
    const single = table(raw["single-board"], `${path}.single-board`)
    return singleBoardMachine(
      name,
      tags,
      string(single.bmp, `${path}.single-board.bmp`),
      string(single.host, `${path}.single-board.host`),
    )
  }
  const hosts = new Map(
    Object.entries(table(raw["spinnaker-ips"] ?? {}, `${path}.spinnaker-ips`)).map(([key, host]) => [
      keyOf(key, ["x", "y", "z"], `${path}.spinnaker-ips`).join(),
      string(host, `${path}.spinnaker-ips`),
    ]),
  )
  const described: DescribedMachine = {
    name,
    tags,
    width: raw.width === undefined ? undefined : size(raw.width, `${path}.width`),
    height: raw.height === undefined ? undefined : size(raw.height, `${path}.height`),
    deadBoards: list(raw["dead-boards"] ?? [], `${path}.dead-boards`).map((one) => {
      const place = table(one, `${path}.dead-boards`)
      return boardPlace([place.x, place.y, place.z], `${path}.dead-boards`)
    }),
    deadLinks: readDeadLinks(raw, path),
    boards: Object.entries(table(raw["board-locations"] ?? {}, `${path}.board-locations`)).map(([key, one]) => {
      const at = `${path}.board-locations`
      const logical = boardPlace(keyOf(key, ["x", "y", "z"], at), at)
      const { c, f, b } = table(one, at)
      const host = hosts.get(logical.join())
      return { logical, physical: [whole(c, at), whole(f, at), whole(b, at)], ...(host === undefined ? {} : { host }) }
    }),
    bmps: Object.entries(table(raw["bmp-ips"] ?? {}, `${path}.bmp-ips`)).map(([key, host]) => {
      const [cabinet, frame] = keyOf(key, ["c", "f"], `${path}.bmp-ips`)
      return { cabinet: cabinet!, frame: frame!, host: string(host, `${path}.bmp-ips`) }
    }),
    standardIps:
      raw["standard-ips"] === undefined ? undefined : readStandardIps(raw["standard-ips"], `${path}.standard-ips`),
  }
  return buildMachine(described, (part, complaint) => complaints.push(`${path}: ${part}: ${complaint}`))
}

function readDeadLinks(raw: Json, path: string): LinkPlace[] {
  const at = `${path}.dead-links`
  return Object.entries(table(raw["dead-links"] ?? {}, at)).flatMap(([key, links]) => {
    const [x, y, z] = boardPlace(keyOf(key, ["x", "y", "z"], at), at)
    return list(links, at).map((one): LinkPlace => {
      const link = (LINK_NAMES as readonly unknown[]).indexOf(one)
      if (link < 0) throw new Wrong(`${at}: ${show(one)} is no link: expected one of ${LINK_NAMES.join(", ")}`)
      return [x, y, z, link]
    })
  })
}

function readStandardIps(raw: unknown, path: string): StandardIps {
  const given = table(raw, path)
  const address = (key: string, otherwise: number) => {
    if (given[key] === undefined) return otherwise
    try {
      return parseIp(string(given[key], `${path}.${key}`))
    } catch (error) {
      if (error instanceof RangeError) throw new Wrong(`${path}.${key} is ${show(given[key])}: ${error.message}`)
      throw error
    }
  }
  return {
    base: address("base", STANDARD_IPS.base),
    cabinetStride: address("cabinet-stride", STANDARD_IPS.cabinetStride),
    frameStride: address("frame-stride", STANDARD_IPS.frameStride),
    boardStride: address("board-stride", STANDARD_IPS.boardStride),
    bmpOffset: address("bmp-offset", STANDARD_IPS.bmpOffset),
    spinnakerOffset: address("spinnaker-offset", STANDARD_IPS.spinnakerOffset),
  }
}

/** The numbers of a key such as `[x:0,y:1,z:2]`. */
function keyOf(key: string, names: readonly string[], path: string): number[] {
  const parts = /^\[(.*)\]$/.exec(key.replaceAll(" ", ""))?.[1]?.split(",") ?? []
  const numbers = names.map((name, index) => /^([a-z]):(\d{1,5})$/.exec(parts[index] ?? "")?.[1] === name)
  if (parts.length !== names.length || numbers.includes(false)) {
    throw new Wrong(`${path}: ${show(key)} is no place: expected [${names.map((name) => `${name}:0`).join(",")}]`)
  }
  return parts.map((part) => Number(part.slice(2)))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Wrong(`not JSON: ${error instanceof Error ? error.message : error}`)
  }
}

function boardPlace([x, y, z]: readonly unknown[], path: string): BoardPlace {
  return [whole(x, path, MAX_TRIADS - 1), whole(y, path, MAX_TRIADS - 1), whole(z, path, BOARDS_PER_TRIAD - 1)]
}

function size(value: unknown, path: string): number {
  return whole(value, path, MAX_TRIADS, 1)
}

function table(value: unknown, path: string): Json {
  if (isJsonObject(value)) return value
  throw new Wrong(`${path} is ${show(value)}: expected an object`)
}

function list(value: unknown, path: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new Wrong(`${path} is ${show(value)}: expected a list`)
}

function string(value: unknown, path: string): string {
  if (typeof value === "string" && value !== "" && value.length <= 253) return value
  throw new Wrong(`${path} is ${show(value)}: expected a text`)
}

function whole(value: unknown, path: string, max = 65535, min = 0): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value
  throw new Wrong(`${path} is ${show(value)}: expected a whole number from ${min} to ${max}`)
}

function amount(value: unknown, path: string, min: number, max: number): number {
  if (typeof value === "number" && value >= min && value <= max) return value
  throw new Wrong(`${path} is ${show(value)}: expected a number from ${min} to ${max}`)
}

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? "missing"
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown
}
