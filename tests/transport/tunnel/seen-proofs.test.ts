import { expect, test } from "bun:test"
import { seededRandom } from "../../../src/transport/random.ts"
import { SEEN_PROOFS, SeenProofs } from "../../../src/transport/tunnel/seen-proofs.ts"
import { randomBytes } from "../../support/fuzz.ts"

test("a proof is known once it has come, until so many others have come after it", () => {
  const random = seededRandom(9)
  const proofs = Array.from({ length: SEEN_PROOFS + 1 }, () => randomBytes(random, 32))
  const seen = new SeenProofs()
  const [first, second] = proofs as [Uint8Array, Uint8Array]
  expect(seen.has(first)).toBe(false)
  for (const proof of proofs.slice(0, -1)) seen.add(proof)
  seen.add(first)
  expect([seen.has(Uint8Array.from(first)), seen.has(second)]).toEqual([true, true])
  seen.add(proofs.at(-1)!)
  expect([seen.has(first), seen.has(second), seen.has(proofs.at(-1)!)]).toEqual([false, true, true])
})
