/** One entry of a backend list, in either of its grammars: `host[:port][/location]`, or with a keyword before it. */
import { isIPv4, isIPv6 } from "node:net"
import type { CarrierLocation } from "./extract.ts"

/** Port of devices and of the proxy. */
export const DEVICE_PORT = 5732
/** Pins of ACL_IN and ACL_OUT are 0..7. */
export const MAX_PIN = 7
/** Pins that have names. */
export const PIN_NAMES = ["aux0", "aux1", "gen0", "gen1"] as const
/** A location is two uint32 on the wire. */
const MAX_INDEX = 0xffff_ffff

/** One end of a wire as written. */
export interface WireEndText {
  readonly location: CarrierLocation
  readonly pin: number | string
}

/** What a line says. */
export type BackendLine =
  | {
      readonly kind: "carrier"
      readonly host: string
      readonly port: number
      readonly location: CarrierLocation | undefined
    }
  | { readonly kind: "wire"; readonly source: WireEndText; readonly target: WireEndText }
  | { readonly kind: "nothing" }

/** A line that is none; the message says what was found and what was expected. */
export class BackendLineError extends Error {
  override readonly name = "BackendLineError"
}

/** Reads one line, without its end; throws BackendLineError. Blanks around words and comments behind `#` are fine. */
export function parseBackendLine(line: string): BackendLine {
  const words = line
    .replace(/#.*/s, "")
    .split(/[ \t\r\f\v]+/)
    .filter((word) => word !== "")
  const [keyword, ...rest] = words
  if (keyword === undefined) return { kind: "nothing" }
  if (line.replace(/#.*/s, "").includes(",")) {
    throw new BackendLineError("a comma: in a file each backend has a line of its own")
  }
  if (keyword === "carrier") return carrierLine(rest)
  if (keyword === "wire") return wireLine(rest)
  return legacyLine(keyword, rest)
}

function carrierLine([host, location, ...more]: readonly string[]): BackendLine {
  if (host === undefined)
    throw new BackendLineError('nothing behind "carrier"; expected carrier HOST[:PORT] [LOCATION]')
  const slash = host.indexOf("/")
  if (slash >= 0) {
    const better = `carrier ${host.slice(0, slash)} ${host.slice(slash + 1)}`
    throw new BackendLineError(`${quote(host)}: behind "carrier" a blank stands before the location: ${better}`)
  }
  if (more.length > 0) {
    throw new BackendLineError(`${quote(more.join(" "))} behind the location; expected carrier HOST[:PORT] [LOCATION]`)
  }
  return {
    kind: "carrier",
    ...hostAndPort(host),
    location: location === undefined ? undefined : parseLocation(location),
  }
}

function legacyLine(word: string, rest: readonly string[]): BackendLine {
  if (rest.length > 0) {
    const lower = word.toLowerCase()
    if (lower === "carrier" || lower === "wire") {
      throw new BackendLineError(`${quote(word)}: keywords are in small letters: ${lower}`)
    }
    throw new BackendLineError(
      `${quote([word, ...rest].join(" "))}: expected HOST[:PORT][/LOCATION], carrier HOST[:PORT] [LOCATION], or wire END END`,
    )
  }
  const slash = word.indexOf("/")
  const host = slash < 0 ? word : word.slice(0, slash)
  const location = slash < 0 ? undefined : parseLocation(word.slice(slash + 1))
  return { kind: "carrier", ...hostAndPort(host), location }
}

function wireLine(ends: readonly string[]): BackendLine {
  const [source, target, ...more] = ends
  if (source === undefined || target === undefined || more.length > 0) {
    throw new BackendLineError(
      `a wire has two ends, here are ${ends.length}; expected wire SOURCE TARGET, such as wire 0/4 1/5`,
    )
  }
  return { kind: "wire", source: parseEnd(source), target: parseEnd(target) }
}

function parseEnd(text: string): WireEndText {
  const slash = text.lastIndexOf("/")
  if (slash < 0)
    throw new BackendLineError(`${quote(text)}: expected [STACK/]CARRIER/PIN as the end of a wire, such as 0/4`)
  return { location: parseLocation(text.slice(0, slash)), pin: parsePin(text.slice(slash + 1)) }
}

function parsePin(text: string): number | string {
  if (/^\d+$/.test(text)) {
    const pin = Number(text)
    if (pin > MAX_PIN) throw new BackendLineError(`pin ${text}: expected 0 to ${MAX_PIN} or ${PIN_NAMES.join(", ")}`)
    return pin
  }
  const name = PIN_NAMES.find((each) => each === text)
  if (!name) throw new BackendLineError(`pin ${quote(text)}: expected 0 to ${MAX_PIN} or ${PIN_NAMES.join(", ")}`)
  return name
}

/** `0/1` (stack, carrier) or `1` (carrier). */
function parseLocation(text: string): CarrierLocation {
  const parts = text.split("/")
  if (parts.length > 2 || !parts.every((part) => /^\d{1,10}$/.test(part) && Number(part) <= MAX_INDEX)) {
    throw new BackendLineError(
      `location ${quote(text)}: expected STACK/CARRIER or CARRIER, in whole numbers such as 0/1`,
    )
  }
  const carrier = Number(parts.at(-1))
  return { stack: parts.length === 2 ? Number(parts[0]) : undefined, carrier }
}

function hostAndPort(text: string): { host: string; port: number } {
  const brackets = /^\[([^\]]*)\](?::(.*))?$/s.exec(text)
  if (brackets) {
    const [, host = "", port] = brackets
    if (!isIPv6(host)) throw new BackendLineError(`${quote(text)}: expected an IPv6 address within the brackets`)
    return { host, port: parsePort(port) }
  }
  if (isIPv6(text)) throw new BackendLineError(`${quote(text)}: an IPv6 address stands in brackets: [${text}]`)
  const colon = text.indexOf(":")
  const host = colon < 0 ? text : text.slice(0, colon)
  checkHost(host)
  return { host, port: parsePort(colon < 0 ? undefined : text.slice(colon + 1)) }
}

function parsePort(text: string | undefined): number {
  if (text === undefined) return DEVICE_PORT
  const port = /^\d{1,10}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new BackendLineError(`port ${quote(text)}: expected 1 to 65535`)
  return port
}

function checkHost(host: string): void {
  if (host === "") throw new BackendLineError("no host; expected HOST[:PORT][/LOCATION]")
  if (/^[\d.]+$/.test(host)) {
    if (!isIPv4(host)) throw new BackendLineError(`host ${quote(host)}: expected four numbers from 0 to 255, or a name`)
    return
  }
  const labels = host.split(".")
  const good = host.length <= 253 && labels.every((label) => /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/i.test(label))
  if (!good) throw new BackendLineError(`host ${quote(host)}: expected an address, or a name of letters, digits and -`)
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text)
}
