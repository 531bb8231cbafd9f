/** Which boards a server has, as its clients are told: the payload of a mux notice, UTF-8 JSON. */

import { isIPv4 } from "node:net"
import { MuxNotice } from "../protocol/mux.ts"
import type { Notice } from "../transport/mux-connection.ts"

/** One board, or the BMP, that a server serves. */
export interface BoardInfo {
  /** What clients ask for it by: its address or name on the server's side. */
  readonly name: string
  /** A BMP has SCP only. */
  readonly kind: "board" | "bmp"
  /** Its IPv4 address on the server's side, as the machine tells it to programs; absent until the name resolves. */
  readonly host?: string
  /** Which board it is, where its owner has said so: boot tools want to be told. */
  readonly type?: BoardType
}

/** The boards that there are: of 4 chips and of 48. */
export type BoardType = "spin3" | "spin5"

/** What a client asks for the boards with. */
export const BOARDS_WANTED: Notice = { kind: MuxNotice.boardsWanted, board: "", payload: new Uint8Array(0) }

/** Boards that one server serves at most: as many as fit in a notice, and as a client can give addresses to. */
export const MAX_BOARDS = 64
/** Longest name; a mux frame has a byte for its length. */
const MAX_NAME = 253

/** The payload of a "boards" notice: the server's first board first. */
export function encodeBoardList(boards: readonly BoardInfo[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ boards }))
}

/** The boards in such a payload; undefined for anything else. Fields that later versions add are left out. */
export function decodeBoardList(payload: Uint8Array): BoardInfo[] | undefined {
  let said: unknown
  try {
    said = JSON.parse(new TextDecoder().decode(payload))
  } catch {
    return undefined
  }
  const list = (said as { boards?: unknown } | null)?.boards
  if (!Array.isArray(list) || list.length > MAX_BOARDS) return undefined
  const boards: BoardInfo[] = []
  for (const entry of list as unknown[]) {
    const { name, kind, host, type } = (entry ?? {}) as Record<string, unknown>
    // Names get into logs and files: nothing that steers a terminal or cannot be seen.
    if (typeof name !== "string" || name.length > MAX_NAME || !/^[^\p{C}\p{Z}]+$/u.test(name)) return undefined
    if (kind !== "board" && kind !== "bmp") continue
    if (boards.some((board) => board.name === name)) continue
    const at = typeof host === "string" && isIPv4(host) && { host }
    boards.push({ name, kind, ...at, ...((type === "spin3" || type === "spin5") && { type }) })
  }
  return boards
}
