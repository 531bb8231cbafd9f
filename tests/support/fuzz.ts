/** Seeded random input for decoders: the same bytes on every machine, so that a failure can be repeated. */
import type { SdpHeader } from "../../src/protocol/sdp.ts"
import type { Random } from "../../src/transport/random.ts"

/** A whole number from `min` to `max`, both included. */
export function integer(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1))
}

/** `length` random bytes. */
export function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => integer(random, 0, 255))
}

/** A copy of `bytes` that a bad line has had: some bits turned, a piece missing, doubled, or something put on. */
export function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  switch (integer(random, 0, 3)) {
    case 0: {
      // Not slice(): a Buffer's is a view.
      const copy = Uint8Array.from(bytes)
      for (let i = integer(random, 1, 4); i > 0 && copy.length > 0; i--) {
        copy[integer(random, 0, copy.length - 1)]! ^= 1 << integer(random, 0, 7)
      }
      return copy
    }
    case 1:
      return bytes.subarray(0, integer(random, 0, bytes.length))
    case 2:
      return Buffer.concat([bytes, randomBytes(random, integer(random, 1, 40))])
    default: {
      const at = integer(random, 0, bytes.length)
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(integer(random, 0, bytes.length))])
    }
  }
}

/** `bytes` cut into pieces of random lengths, none empty. */
export function cuts(random: Random, bytes: Uint8Array, longest: number): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = integer(random, 1, longest)
    pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  return pieces
}

/** The bytes of `hex`, white space ignored. */
export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replace(/\s/g, ""), "hex"))
}

/** What `text` is in UTF-8. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Any SDP header that the format can hold. */
export function randomHeader(random: Random): SdpHeader {
  const byte = () => integer(random, 0, 255)
  return {
    flags: byte(),
    tag: byte(),
    destPort: integer(random, 0, 7),
    destCpu: integer(random, 0, 31),
    srcPort: integer(random, 0, 7),
    srcCpu: integer(random, 0, 31),
    destX: byte(),
    destY: byte(),
    srcX: byte(),
    srcY: byte(),
  }
}
