/** A machine as a file describes it, completed and checked; the same for both kinds of file. Source: the spalloc facts §15. */
import type { BmpConfig, BoardConfig, MachineConfig } from "./config.ts"
import { BOARDS_PER_TRIAD, LINKS_PER_BOARD } from "./geometry.ts"
import { bmpAddress, boardAddress, type StandardIps } from "./standard-ips.ts"
import type { BoardPlace, LinkPlace, PhysicalPlace } from "./types.ts"

/** Triads across or up; the chip coordinates of more do not fit SpiNNaker's 8 bits. */
export const MAX_TRIADS = 21
/** Boards of a frame. */
export const BOARDS_PER_FRAME = 24

/** A machine as read, before anything is inferred. */
export interface DescribedMachine {
  readonly name: string
  readonly tags: readonly string[]
  /** Triads; inferred from the boards where both are absent. */
  readonly width: number | undefined
  readonly height: number | undefined
  readonly deadBoards: readonly BoardPlace[]
  readonly deadLinks: readonly LinkPlace[]
  /** Hosts are absent where `standardIps` makes them. */
  readonly boards: readonly { readonly logical: BoardPlace; readonly physical: PhysicalPlace; readonly host?: string }[]
  readonly bmps: readonly BmpConfig[]
  readonly standardIps: StandardIps | undefined
}

/** Says what is wrong with a part of the description. */
export type ComplainOf = (part: "name" | "width" | "deadBoards" | "deadLinks" | "boards" | "bmps", text: string) => void

/** The whole machine; undefined if anything was complained of. */
export function buildMachine(described: DescribedMachine, complain: ComplainOf): MachineConfig | undefined {
  let sound = true
  const note: ComplainOf = (part, text) => {
    sound = false
    complain(part, text)
  }
  const size = sizeOf(described, note)
  if (!size) return undefined
  const { width, height } = size
  const { name, tags, deadBoards, deadLinks } = described
  const isInside = ([x, y, z]: readonly number[]) => x! < width && y! < height && z! < BOARDS_PER_TRIAD
  const outside = `outside the machine of ${width}x${height} triads`
  for (const place of deadBoards) if (!isInside(place)) note("deadBoards", `dead board ${show(place)} is ${outside}`)
  for (const place of deadLinks) {
    if (!isInside(place)) note("deadLinks", `dead link ${show(place)} is ${outside}`)
    if (place[3] >= LINKS_PER_BOARD)
      note("deadLinks", `dead link ${show(place)}: links are 0 to ${LINKS_PER_BOARD - 1}`)
  }
  for (const { logical, physical } of described.boards) {
    if (!isInside(logical)) note("boards", `board ${show(logical)} is ${outside}`)
    if (physical[2] >= BOARDS_PER_FRAME) {
      note(
        "boards",
        `board ${show(logical)} is at place ${physical[2]} of its frame: places are 0 to ${BOARDS_PER_FRAME - 1}`,
      )
    }
  }
  if (!sound) return undefined
  const dead = new Set(deadBoards.map(String))
  noteTwice(
    described.boards.map(({ logical }) => show(logical)),
    (text) => note("boards", `board ${text} is there twice`),
  )
  noteTwice(
    described.boards.map(({ physical }) => show(physical)),
    (text) => note("boards", `two boards are at place ${text}`),
  )
  noteMissing(described, size, dead, note)
  const bmps = bmpsOf(described, note)
  const boards = boardsOf(described, dead, note)
  if (!sound) return undefined
  return { name, tags: [...new Set(tags)], width, height, deadBoards, deadLinks, boards, bmps }
}

/** A machine of one board that has no others around it. */
export function singleBoardMachine(
  name: string,
  tags: readonly string[],
  bmpHost: string,
  host: string,
): MachineConfig {
  return {
    name,
    tags,
    width: 1,
    height: 1,
    deadBoards: [
      [0, 0, 1],
      [0, 0, 2],
    ],
    deadLinks: [],
    boards: [{ logical: [0, 0, 0], physical: [0, 0, 0], host }],
    bmps: [{ cabinet: 0, frame: 0, host: bmpHost }],
  }
}

/** Calls `complain` for every name or host that two machines, boards or BMPs share; the index is the second machine's. */
export function noteShared(machines: readonly MachineConfig[], complain: (index: number, text: string) => void): void {
  const names = new Set<string>()
  const hosts = new Map<string, string>()
  for (const [index, { name, boards, bmps }] of machines.entries()) {
    if (names.has(name)) complain(index, `two machines are called "${name}"`)
    names.add(name)
    const used = [
      ...bmps.map(({ cabinet, frame, host }) => ({
        host,
        by: `the BMP of cabinet ${cabinet} frame ${frame} of ${name}`,
      })),
      ...boards.map(({ logical, host }) => ({ host, by: `board ${show(logical)} of ${name}` })),
    ]
    for (const { host, by } of used) {
      if (host === "") continue
      const other = hosts.get(host)
      if (other !== undefined) complain(index, `${host} is both ${other} and ${by}`)
      else hosts.set(host, by)
    }
  }
}

function sizeOf(described: DescribedMachine, note: ComplainOf): { width: number; height: number } | undefined {
  const { width, height, deadBoards, boards } = described
  if (width !== undefined && height !== undefined) return { width, height }
  if (width !== undefined || height !== undefined) {
    note("width", "give both width and height, or neither: then the boards tell them")
    return undefined
  }
  const places = [...deadBoards, ...boards.map(({ logical }) => logical)]
  if (places.length === 0) {
    note("boards", "the machine has no boards: list them, each with its place")
    return undefined
  }
  const most = (axis: 0 | 1) => Math.max(...places.map((place) => place[axis])) + 1
  if (most(0) <= MAX_TRIADS && most(1) <= MAX_TRIADS) return { width: most(0), height: most(1) }
  note("boards", `the boards span ${most(0)}x${most(1)} triads: at most ${MAX_TRIADS} each way`)
  return undefined
}

function noteMissing(
  { boards }: DescribedMachine,
  { width, height }: { width: number; height: number },
  dead: ReadonlySet<string>,
  note: ComplainOf,
): void {
  const placed = new Set(boards.map(({ logical }) => String(logical)))
  const missing: string[] = []
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      for (let z = 0; z < BOARDS_PER_TRIAD; z++) {
        const board = String([x, y, z])
        if (!placed.has(board) && !dead.has(board)) missing.push(`[${board}]`)
      }
    }
  }
  if (missing.length === 0) return
  const more = missing.length > 3 ? ` and ${missing.length - 3} more` : ""
  note("boards", `${missing.slice(0, 3).join(", ")}${more} have no place: give it, or list them as dead`)
}

function bmpsOf({ boards, bmps, standardIps }: DescribedMachine, note: ComplainOf): BmpConfig[] {
  const all = new Map(bmps.map((bmp) => [`${bmp.cabinet},${bmp.frame}`, bmp]))
  noteTwice(
    bmps.map(({ cabinet, frame }) => `[${cabinet},${frame}]`),
    (text) => note("bmps", `frame ${text} has two BMPs`),
  )
  for (const { physical } of boards) {
    const [cabinet, frame] = physical
    const key = `${cabinet},${frame}`
    if (all.has(key)) continue
    const host =
      standardIps &&
      addressOr(
        () => bmpAddress(standardIps, cabinet, frame),
        (text) => note("bmps", text),
      )
    if (host === undefined && !standardIps) note("bmps", `cabinet ${cabinet} frame ${frame} has boards but no BMP`)
    all.set(key, { cabinet, frame, host: host ?? "" })
  }
  return [...all.values()]
}

function boardsOf(
  { boards, standardIps }: DescribedMachine,
  dead: ReadonlySet<string>,
  note: ComplainOf,
): BoardConfig[] {
  return boards.map(({ logical, physical, host }) => {
    const found =
      host ??
      (standardIps &&
        addressOr(
          () => boardAddress(standardIps, physical),
          (text) => note("boards", text),
        ))
    if (found === undefined && !dead.has(String(logical))) note("boards", `board ${show(logical)} has no host`)
    return { logical, physical, host: found ?? "" }
  })
}

function addressOr(make: () => string, complain: (text: string) => void): string | undefined {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    complain(error.message)
    return undefined
  }
}

function noteTwice(texts: readonly string[], complain: (text: string) => void): void {
  const seen = new Set<string>()
  for (const text of texts) {
    if (seen.has(text)) complain(text)
    seen.add(text)
  }
}

function show(place: readonly number[]): string {
  return `[${place.join(", ")}]`
}
