/**
 * One boot image as the datagrams of its client: which of them have come, and whether another datagram belongs to it.
 * Pure; 34 datagrams of at most 1042 bytes.
 */
import {
  BOOT_HEADER,
  BOOT_MAX_BLOCKS,
  BOOT_SV_LENGTH,
  BOOT_SV_OFFSET,
  BootOpcode,
  blockNumber,
  decodeBoot,
  startBlocks,
} from "../protocol/boot.ts"

/** A boot datagram that the ROM would look at. */
export type BootPart =
  | { readonly kind: "start"; readonly datagram: Uint8Array; readonly blocks: number }
  | { readonly kind: "block"; readonly datagram: Uint8Array; readonly number: number }
  | { readonly kind: "end"; readonly datagram: Uint8Array }

/** The part that `datagram` is; undefined for what no ROM looks at. Source: wire facts §5. */
export function bootPart(datagram: Uint8Array): BootPart | undefined {
  const message = decodeBoot(datagram)
  switch (message?.opcode) {
    case BootOpcode.start: {
      const blocks = startBlocks(message)
      return blocks > BOOT_MAX_BLOCKS ? undefined : { kind: "start", datagram, blocks }
    }
    case BootOpcode.block: {
      const number = blockNumber(message)
      return number >= BOOT_MAX_BLOCKS ? undefined : { kind: "block", datagram, number }
    }
    case BootOpcode.end:
      return { kind: "end", datagram }
    default:
      return undefined
  }
}

/** A client's second attempt has a new time in the `sv` area of block 0; else two copies of a block must be equal. */
function sameBlock(number: number, a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  const svStart = number === 0 ? BOOT_HEADER + BOOT_SV_OFFSET : a.length
  const svEnd = number === 0 ? svStart + BOOT_SV_LENGTH : a.length
  for (let at = 0; at < Math.min(svStart, a.length); at++) if (a[at] !== b[at]) return false
  for (let at = svEnd; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

/** An image on its way. */
export class BootImage {
  #start: Uint8Array | undefined
  #end: Uint8Array | undefined
  #total: number | undefined
  readonly #blocks = new Map<number, Uint8Array>()

  /** Blocks that START announced; undefined before START. */
  get total(): number | undefined {
    return this.#total
  }

  /** Blocks that are there. */
  get done(): number {
    return this.#blocks.size
  }

  /** Bytes of image in them. */
  get bytes(): number {
    let bytes = 0
    for (const block of this.#blocks.values()) bytes += block.length - BOOT_HEADER
    return bytes
  }

  /** Numbers of the blocks that are not there; empty before START, when nobody knows. */
  get missing(): number[] {
    const missing = []
    for (let number = 0; number < (this.#total ?? 0); number++) if (!this.#blocks.has(number)) missing.push(number)
    return missing
  }

  /** START, END and every block between. */
  get complete(): boolean {
    return this.#total !== undefined && this.#end !== undefined && this.#blocks.size === this.#total
  }

  /** True if `part` can belong to this image: it is new to it, or the same but for the `sv` area. */
  agrees(part: BootPart): boolean {
    switch (part.kind) {
      case "start":
        return this.#total === undefined ? this.#highest() < part.blocks : this.#total === part.blocks
      case "block": {
        const known = this.#blocks.get(part.number)
        if (known) return sameBlock(part.number, known, part.datagram)
        return this.#total === undefined || part.number < this.#total
      }
      case "end":
        return true
    }
  }

  /** True if the image has `part`, or something that only differs in the `sv` area. */
  has(part: BootPart): boolean {
    switch (part.kind) {
      case "start":
        return this.#total === part.blocks
      case "block": {
        const known = this.#blocks.get(part.number)
        return known !== undefined && sameBlock(part.number, known, part.datagram)
      }
      case "end":
        return this.#end !== undefined
    }
  }

  /** Takes a part that agrees in. Of two copies the newer stays: the ROM keeps the first, whichever that is. */
  add(part: BootPart): void {
    switch (part.kind) {
      case "start":
        this.#start = part.datagram
        this.#total = part.blocks
        return
      case "block":
        this.#blocks.set(part.number, part.datagram)
        return
      case "end":
        this.#end = part.datagram
    }
  }

  /** A new image of this one's START and the blocks named. */
  only(numbers: ReadonlySet<number>): BootImage {
    const image = new BootImage()
    image.#start = this.#start
    image.#total = this.#total
    for (const [number, block] of this.#blocks) if (numbers.has(number)) image.#blocks.set(number, block)
    return image
  }

  /** START, the blocks in order and END, as far as they are there. */
  sequence(): Uint8Array[] {
    const blocks = [...this.#blocks].sort(([a], [b]) => a - b).map(([, block]) => block)
    return [...(this.#start ? [this.#start] : []), ...blocks, ...(this.#end ? [this.#end] : [])]
  }

  #highest(): number {
    return Math.max(-1, ...this.#blocks.keys())
  }
}
