import { expect, test } from "bun:test"
import { IMAGE_BYTES, syntheticImage } from "../../scripts/lib/synthetic-image.ts"

test("syntheticImage() is the image of the recorded boots, with the sv area left empty", () => {
  const image = syntheticImage()
  expect(image.length).toBe(IMAGE_BYTES)
  expect(new TextDecoder().decode(image.subarray(0, 15))).toBe("SYNTHETIC-IMAGE")
  expect(image.subarray(384, 512).every((byte) => byte === 0)).toBe(true)
  const second = new Bun.CryptoHasher("sha256").update("synthetic-spin:1").digest()
  expect(image.subarray(32, 64)).toEqual(new Uint8Array(second))
})
