/**
 * Keeps the boot that an application is sending, so that a connection lost under it costs nothing: bytes that
 * `write()` took are not bytes that arrived (30,334 accepted, none delivered, measured). Sending a boot twice is safe:
 * the ROM keeps the first copy of each block and ignores a START while it fills.
 */
import { BOOT_MAX_BLOCKS, BootOpcode, decodeBoot } from "../protocol/boot.ts"
import type { Replay } from "../transport/carried-link.ts"

/**
 * A boot is kept this long after its last datagram: as long as its datagrams may wait for a connection, and longer than
 * it takes to find out that one is silent (5 s) and to make the next.
 */
export const KEEP_BOOT_MS = 10_000
/** START, END and twice the blocks that an image can have: clients that repeat blocks are rare, endless ones hostile. */
const MAX_DATAGRAMS = 2 * BOOT_MAX_BLOCKS + 2

/** One application's current boot, START to END. */
export class BootKeeper implements Replay {
  #kept: Uint8Array[] = []
  #lastAt = Number.NEGATIVE_INFINITY

  sent(datagram: Uint8Array, now: number): boolean {
    const message = decodeBoot(datagram)
    if (!message) return false
    if (message.opcode === BootOpcode.start || now - this.#lastAt > KEEP_BOOT_MS) this.#kept = []
    if (this.#kept.length >= MAX_DATAGRAMS) return false
    this.#kept.push(datagram)
    this.#lastAt = now
    return true
  }

  afterReconnect(now: number): readonly Uint8Array[] {
    if (now - this.#lastAt > KEEP_BOOT_MS) this.#kept = []
    return this.#kept
  }
}
