/** What a process holds: memory and descriptors. Linux only, from /proc. */
import { readdirSync, readFileSync } from "node:fs"

/** A process at one moment. */
export interface Footprint {
  readonly bytes: number
  readonly descriptors: number
}

const PAGE_BYTES = 4_096

/** The footprint of `pid`; throws where there is no /proc or no such process. */
export function footprint(pid: number): Footprint {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1])
  return { bytes: pages * PAGE_BYTES, descriptors: readdirSync(`/proc/${pid}/fd`).length }
}
