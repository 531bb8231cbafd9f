/** Which boards a server serves, and where: from a command line or a configuration. */
import type { BoardInfo, BoardType } from "./board-list.ts"
import type { EndpointSettings } from "./endpoint.ts"
import { grants, type Key } from "./key.ts"
import { LEASE_DEFAULTS, type LeaseSettings } from "./lease-settings.ts"
import type { ServerConfig } from "./server-config.ts"

/** One board, or a BMP. */
export interface BoardSpec {
  /** What clients ask for it by. */
  readonly name: string
  readonly kind: BoardInfo["kind"]
  /** Told to clients. */
  readonly type?: BoardType
  /** A host name or IP literal. */
  readonly address: string
  readonly scpPort: number
  readonly bootPort: number
  /** How it is shared out (of a BMP: by the boards' leases); undefined: everybody at once, and nobody keeps count. */
  readonly lease: LeaseSettings | undefined
  /** Of a BMP: the boards that it switches, where that is known. Who may use it depends on them. */
  readonly switches?: readonly string[]
}

/** A board of the command line, which is called what its address is. */
export function specOf(address: string, kind: BoardInfo["kind"], settings: EndpointSettings): BoardSpec {
  const { scpPort, bootPort, leases, lease = LEASE_DEFAULTS } = settings
  const shared = !leases && lease === LEASE_DEFAULTS
  const terms = shared ? undefined : (leases?.get(address) ?? lease)
  return { name: address, kind, address, scpPort, bootPort, lease: terms }
}

/** All boards of the command line, the target first. */
export function specsOf(settings: EndpointSettings): BoardSpec[] {
  const more = Array.isArray(settings.boards) ? (settings.boards as readonly string[]) : []
  const boards = [settings.target, ...more].map((address) => specOf(address, "board", settings))
  return settings.bmp === undefined ? boards : [...boards, specOf(settings.bmp, "bmp", settings)]
}

/** All boards of a configuration, then their BMPs, each once and called what its address is. */
export function specsOfConfig({ boards }: ServerConfig): BoardSpec[] {
  const specs = boards.map(
    ({ name, address, scpPort, bootPort, lease, type }): BoardSpec => ({
      ...{ name, kind: "board", address, scpPort, bootPort, lease, ...(type !== "auto" && { type }) },
    }),
  )
  for (const { bmp, bootPort } of boards) {
    if (!bmp || specs.some(({ name }) => name === bmp.host)) continue
    const switches = switchedBy(bmp.host, boards).map(({ name }) => name)
    const place = { address: bmp.host, scpPort: bmp.port, bootPort }
    specs.push({ name: bmp.host, kind: "bmp", ...place, lease: LEASE_DEFAULTS, switches })
  }
  return specs
}

/** True if `key` opens the board, or the BMP, of that name: a BMP switches all its boards, so it takes a key to them all. */
export function opens(key: Pick<Key, "boards">, name: string, { boards }: ServerConfig): boolean {
  const board = boards.find((one) => one.name === name)
  if (board) return grants(key, name)
  const switched = switchedBy(name, boards)
  return switched.length > 0 && switched.every((one) => grants(key, one.name))
}

function switchedBy(bmp: string, boards: ServerConfig["boards"]): ServerConfig["boards"] {
  return boards.filter((board) => board.bmp?.host === bmp)
}
