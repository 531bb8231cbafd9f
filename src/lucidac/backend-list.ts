/** Which devices a proxy joins, where they stand, and how they are wired: read from files and from the command line. */
import { formatAddress } from "../transport/address.ts"
import { type BackendLine, BackendLineError, parseBackendLine, type WireEndText } from "./backend-line.ts"
import type { CarrierLocation } from "./extract.ts"

/** One device. */
export interface BackendEntry {
  readonly host: string
  readonly port: number
  readonly location: CarrierLocation | undefined
}

/** A wire from one backend's ACL_OUT to another's ACL_IN; backends by their number in the list. */
export interface BackendWire {
  readonly source: { readonly backend: number; readonly pin: number | string }
  readonly target: { readonly backend: number; readonly pin: number | string }
}

/** All of it, or the mistakes; warnings come with both. Each is one line that says where. */
export type BackendListResult = { readonly warnings: readonly string[] } & (
  | { readonly ok: true; readonly backends: readonly BackendEntry[]; readonly wires: readonly BackendWire[] }
  | { readonly ok: false; readonly errors: readonly string[] }
)

/** A file's text by its name; undefined where there is none, a string with the reason where it cannot be read. */
export type ReadBackendFile = (name: string) => { text: string } | { problem: string } | undefined

/** Devices in one list; a REDAC of six stacks has fewer. */
export const MAX_BACKENDS = 64
/** Wires in one list: each of 64 carriers has eight inputs. */
export const MAX_WIRES = 8 * MAX_BACKENDS
/** Mistakes told at once. */
const MAX_ERRORS = 20

/** What is printed when no carrier has a stack. */
export const NO_LOCATION_WARNING =
  "No carrier has a location (STACK/CARRIER): all are treated alike. That is right for LUCIDACs; a REDAC needs locations."

/**
 * Reads the values of `--backend`, each a file's name or a list with commas. A value is a file if there is one of that
 * name, or if it looks like nothing else: it begins with `/`, `./`, `../` or `~`, or ends in `.txt`.
 */
export function readBackends(values: readonly string[], read: ReadBackendFile): BackendListResult {
  const list = new ListBuilder()
  for (const value of values) {
    const name = value.trim()
    const file = name === "" ? undefined : read(name)
    if (file && "problem" in file) list.error(name, file.problem)
    else if (file) {
      for (const [index, line] of file.text.split("\n").entries()) list.line(`${name}:${index + 1}`, line)
    } else if (/^(\.{0,2}\/|~|[a-z]:\\)|\.txt$/i.test(name)) list.error(name, "no such file")
    else {
      // Within quotes of the command line there may be several lines too.
      for (const entry of value.split(/[,\n]/)) list.line(`--backend ${JSON.stringify(entry.trim())}`, entry)
    }
  }
  return list.result()
}

class ListBuilder {
  readonly #backends: { entry: BackendEntry; where: string }[] = []
  readonly #wires: { wire: Extract<BackendLine, { kind: "wire" }>; where: string }[] = []
  readonly #errors: string[] = []
  readonly #warnings: string[] = []

  error(where: string, text: string): void {
    this.#errors.push(`${where}: ${text}`)
  }

  line(where: string, text: string): void {
    let line: BackendLine
    try {
      line = parseBackendLine(text)
    } catch (error) {
      if (!(error instanceof BackendLineError)) throw error
      this.error(where, error.message)
      return
    }
    if (line.kind === "carrier") this.#carrier(where, line)
    else if (line.kind === "wire") this.#wires.push({ wire: line, where })
  }

  result(): BackendListResult {
    if (this.#backends.length > MAX_BACKENDS) this.#errors.push(`More than ${MAX_BACKENDS} backends`)
    if (this.#wires.length > MAX_WIRES) this.#errors.push(`More than ${MAX_WIRES} wires`)
    if (this.#backends.length === 0 && this.#errors.length === 0) {
      this.#errors.push("No backend is named: give --backend HOST[:PORT][/STACK/CARRIER] or a file with such lines")
    }
    const wires = this.#errors.length === 0 ? this.#resolveWires() : []
    const warnings = this.#warnings
    if (this.#errors.length > 0) return { ok: false, errors: this.#errors.slice(0, MAX_ERRORS), warnings }
    if (this.#backends.every(({ entry }) => entry.location?.stack === undefined)) warnings.push(NO_LOCATION_WARNING)
    return { ok: true, backends: this.#backends.map(({ entry }) => entry), wires, warnings }
  }

  #carrier(where: string, { host, port, location }: BackendEntry): void {
    const entry = { host, port, location }
    const sameDevice = this.#backends.findIndex((other) => other.entry.host === host && other.entry.port === port)
    if (sameDevice >= 0) {
      const earlier = this.#backends[sameDevice]!.where
      this.#warnings.push(`${where}: ${formatAddress(entry)} is listed already (${earlier}); this entry counts`)
      this.#backends[sameDevice] = { entry, where }
      return
    }
    const sameSpot =
      location && this.#backends.find((other) => other.entry.location && same(other.entry.location, location))
    if (sameSpot) {
      this.#warnings.push(
        `${where}: ${describe(location)} is also that of ${formatAddress(sameSpot.entry)} (${sameSpot.where})`,
      )
    }
    this.#backends.push({ entry, where })
  }

  /** Wires may stand before the carriers that they name, so they are looked at last. */
  #resolveWires(): BackendWire[] {
    const resolved: BackendWire[] = []
    const targets = new Map<string, string>()
    for (const { wire, where } of this.#wires) {
      if ((wire.source.location.stack === undefined) !== (wire.target.location.stack === undefined)) {
        this.error(where, "either both ends of a wire have a stack or none has")
        continue
      }
      const source = this.#backendAt(where, "source", wire.source)
      const target = this.#backendAt(where, "target", wire.target)
      if (source === undefined || target === undefined) continue
      const pin = `${target} ${wire.target.pin}`
      const earlier = targets.get(pin)
      if (earlier !== undefined) {
        const what = `${describe(wire.target.location)}, pin ${wire.target.pin}`
        this.#warnings.push(`${where}: another wire ends at ${what} already (${earlier})`)
      }
      targets.set(pin, earlier ?? where)
      resolved.push({
        source: { backend: source, pin: wire.source.pin },
        target: { backend: target, pin: wire.target.pin },
      })
    }
    return resolved
  }

  #backendAt(where: string, role: "source" | "target", { location }: WireEndText): number | undefined {
    const index = this.#backends.findIndex(({ entry }) => entry.location && same(entry.location, location))
    if (index >= 0) return index
    this.error(where, `the wire's ${role} is at ${describe(location)}, where no carrier was defined`)
    return undefined
  }
}

function same(a: CarrierLocation, b: CarrierLocation): boolean {
  return a.stack === b.stack && a.carrier === b.carrier
}

function describe({ stack, carrier }: CarrierLocation): string {
  return stack === undefined ? `carrier ${carrier} (without a stack)` : `stack ${stack}, carrier ${carrier}`
}
