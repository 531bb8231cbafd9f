/**
 * A boot image that is nobody's firmware and of the right size: what the recorded boots in tests/captures carry too.
 * The fake board's boot ROM takes anything.
 */
import { BOOT_SV_LENGTH, BOOT_SV_OFFSET } from "../../src/protocol/boot.ts"

/** Length of SC&MP's own image, 27 blocks of 1024 bytes, the last one short. */
export const IMAGE_BYTES = 27_168

/** SHA-256 of "synthetic-spin:0", "synthetic-spin:1" and so on, with a name in front and room for the client's `sv`. */
export function syntheticImage(): Uint8Array {
  const image = new Uint8Array(IMAGE_BYTES)
  for (let at = 0, counter = 0; at < image.length; at += 32, counter++) {
    const digest = new Bun.CryptoHasher("sha256").update(`synthetic-spin:${counter}`).digest()
    image.set(digest.subarray(0, image.length - at), at)
  }
  image.set(new TextEncoder().encode("SYNTHETIC-IMAGE\0"))
  image.fill(0, BOOT_SV_OFFSET, BOOT_SV_OFFSET + BOOT_SV_LENGTH)
  return image
}
