/**
 * The boot ROM of an Ethernet chip as a pure state machine: datagrams in, outcomes out, no clock and no socket.
 * Source: spinnaker_bootROM, and what the captures in tests/captures show it doing with loss and repeats.
 */
import { createHash } from "node:crypto"
import {
  BOOT_BLOCK_BYTES,
  BOOT_MAX_BLOCKS,
  type BootMessage,
  BootOpcode,
  blockNumber,
  decodeBoot,
  startBlocks,
  swapWords,
} from "../protocol/boot.ts"

/** What the ROM has put together and is about to run. */
export interface BootImage {
  /** In image order (words little-endian); block n at n * 1024, the end is the end of the highest block. */
  readonly bytes: Uint8Array
  readonly blocks: number
  /** First 16 hexadecimal digits of the SHA-256 of `bytes`. */
  readonly digest: string
}

/** Why a datagram had no effect on the ROM. */
export type BootIgnored =
  /** Too short, too long or of another protocol version. */
  | "malformed"
  /** An opcode that the ROM does not know. */
  | "opcode"
  /** START for another target than 0. */
  | "target"
  /** START that announces more than 32 blocks: the image would not fit. */
  | "too-many-blocks"
  /** START while a fill is open. */
  | "already-filling"
  /** BLOCK or END before any START. */
  | "not-filling"
  /** BLOCK with a number that START did not announce. */
  | "block-out-of-range"
  /** END of a complete fill whose execute bit is clear. */
  | "no-execute"
  /** The ROM has handed over; nothing listens any more. */
  | "running"

/** What a datagram did. */
export type BootOutcome =
  | { readonly type: "started"; readonly blocks: number }
  /** `first` is false for a repeat, which changes nothing: the first copy of a block wins. */
  | { readonly type: "block"; readonly block: number; readonly bytes: number; readonly first: boolean }
  /** END with holes: nothing happens, the fill stays open. */
  | { readonly type: "incomplete"; readonly missing: readonly number[] }
  | { readonly type: "run"; readonly image: BootImage }
  | { readonly type: "ignored"; readonly why: BootIgnored }

/** Where the ROM stands. */
export type BootRomState =
  | { readonly kind: "idle" }
  | { readonly kind: "filling"; readonly blocks: readonly (Uint8Array | undefined)[] }
  | { readonly kind: "running"; readonly image: BootImage }

/** One boot ROM, from reset until it runs an image. */
export class BootRom {
  #state: BootRomState = { kind: "idle" }

  get state(): BootRomState {
    return this.#state
  }

  /** Takes one datagram in; never throws. */
  feed(datagram: Uint8Array): BootOutcome {
    const message = decodeBoot(datagram)
    if (!message) return ignored("malformed")
    const state = this.#state
    switch (state.kind) {
      case "running":
        return ignored("running")
      case "idle":
        return this.#feedIdle(message)
      case "filling":
        return this.#feedFilling(message, state.blocks as (Uint8Array | undefined)[])
    }
  }

  /** Power-cycle or reset: the only thing that clears a partial fill. */
  reset(): void {
    this.#state = { kind: "idle" }
  }

  #feedIdle(message: BootMessage): BootOutcome {
    switch (message.opcode) {
      case BootOpcode.start: {
        if ((message.op1 & 0xff) !== 0) return ignored("target")
        const blocks = startBlocks(message)
        if (blocks > BOOT_MAX_BLOCKS) return ignored("too-many-blocks")
        this.#state = { kind: "filling", blocks: new Array<Uint8Array | undefined>(blocks).fill(undefined) }
        return { type: "started", blocks }
      }
      case BootOpcode.block:
      case BootOpcode.end:
        return ignored("not-filling")
      default:
        return ignored("opcode")
    }
  }

  #feedFilling(message: BootMessage, blocks: (Uint8Array | undefined)[]): BootOutcome {
    switch (message.opcode) {
      case BootOpcode.start:
        return ignored("already-filling")
      case BootOpcode.block: {
        const block = blockNumber(message)
        if (block >= blocks.length) return ignored("block-out-of-range")
        // Clients declare 256 words even for a shorter last block: the datagram's own end counts then.
        const declared = (((message.op1 >>> 8) & 0xff) + 1) * 4
        const data = message.data.subarray(0, declared)
        const first = blocks[block] === undefined
        if (first) blocks[block] = swapWords(data)
        return { type: "block", block, bytes: data.length, first }
      }
      case BootOpcode.end: {
        const missing = blocks.flatMap((block, number) => (block ? [] : [number]))
        if (missing.length > 0) return { type: "incomplete", missing }
        if ((message.op1 & 1) === 0) return ignored("no-execute")
        const image = assemble(blocks as Uint8Array[])
        this.#state = { kind: "running", image }
        return { type: "run", image }
      }
      default:
        return ignored("opcode")
    }
  }
}

const ignored = (why: BootIgnored): BootOutcome => ({ type: "ignored", why })

function assemble(blocks: readonly Uint8Array[]): BootImage {
  const length = (blocks.length - 1) * BOOT_BLOCK_BYTES + blocks[blocks.length - 1]!.length
  const bytes = new Uint8Array(length)
  for (const [number, block] of blocks.entries()) bytes.set(block, number * BOOT_BLOCK_BYTES)
  return { bytes, blocks: blocks.length, digest: imageDigest(bytes) }
}

/** First 16 hexadecimal digits of the SHA-256 of an image, as the captures' logs have it. */
export function imageDigest(image: Uint8Array): string {
  return createHash("sha256").update(image).digest("hex").slice(0, 16)
}
