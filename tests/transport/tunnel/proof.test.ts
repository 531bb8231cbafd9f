import { describe, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { seededRandom } from "../../../src/transport/random.ts"
import { deviceSecret, prove, proves, seal, sealsAnother } from "../../../src/transport/tunnel/proof.ts"
import { randomBytes, utf8 } from "../../support/fuzz.ts"

const random = seededRandom(2)
const [secret, exporter, other] = [randomBytes(random, 32), randomBytes(random, 32), randomBytes(random, 32)] as const
const body = utf8('{"key":"k"}')
const client = prove(secret, exporter, { role: "client" }, body)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

describe("a proof", () => {
  test("is HMAC-SHA-256 over label, role, exporter and words: later versions must agree", () => {
    const expected = createHmac("sha256", secret)
      .update(Buffer.concat([utf8("spinnaker-relay tunnel 1 client\0"), exporter, body]))
      .digest("hex")
    expect(hex(client)).toBe(expected)
    const server = createHmac("sha256", secret)
      .update(Buffer.concat([utf8("spinnaker-relay tunnel 1 server\0"), exporter, client, body]))
      .digest("hex")
    expect(hex(prove(secret, exporter, { role: "server", clientProof: client }, body))).toBe(server)
  })

  test("is another for another key, channel, role or words, and for an answer to another's words", () => {
    const proofs = [
      client,
      prove(other, exporter, { role: "client" }, body),
      prove(secret, other, { role: "client" }, body),
      prove(secret, exporter, { role: "client" }, utf8('{"key":"l"}')),
      prove(secret, exporter, { role: "server", clientProof: client }, body),
      prove(secret, exporter, { role: "server", clientProof: other }, body),
      deviceSecret(secret, exporter),
      deviceSecret(secret, other),
      deviceSecret(other, exporter),
    ].map(hex)
    expect(new Set(proofs).size).toBe(proofs.length)
  })

  test("is checked as a whole: one bit, or one byte more or less, is another", () => {
    expect(proves(client, Uint8Array.from(client))).toBe(true)
    for (let bit = 0; bit < 256; bit++) {
      const wrong = Uint8Array.from(client)
      wrong[bit >> 3]! ^= 1 << (bit & 7)
      expect(proves(client, wrong)).toBe(false)
    }
    expect(proves(client, client.subarray(1))).toBe(false)
    expect(proves(client, Buffer.concat([client, Buffer.alloc(1)]))).toBe(false)
    expect(proves(client, new Uint8Array(0))).toBe(false)
  })

  test("tells nothing of the key", () => {
    expect(hex(client)).not.toContain(hex(secret).slice(0, 8))
    expect(deviceSecret(secret, exporter)).toHaveLength(32)
  })
})

describe("a seal", () => {
  const sealed = seal(secret, exporter)

  test("tells by whom it was made for another channel, and nothing else", () => {
    expect(sealsAnother(sealed, secret, other)).toBe(true)
    expect(sealsAnother(sealed, secret, exporter)).toBe(false)
    expect(sealsAnother(sealed, other, exporter)).toBe(false)
    expect(sealsAnother(sealed, other, other)).toBe(false)
    expect(sealed).toMatch(/^[\w-]{43}$/)
    expect(Buffer.from(sealed, "base64url").includes(Buffer.from(exporter.subarray(0, 4)))).toBe(false)
  })

  test("that was changed, or is none, is nobody's", () => {
    for (const wrong of ["", "x", sealed.slice(1), sealed.slice(0, -1), `${sealed}AAAA`, sealed.toLowerCase()]) {
      expect([wrong, sealsAnother(wrong, secret, other)]).toEqual([wrong, false])
    }
    for (let round = 0; round < 500; round++) {
      const bytes = Buffer.from(sealed, "base64url")
      bytes[round % 32]! ^= 1 + (round >> 5)
      expect(sealsAnother(bytes.toString("base64url"), secret, other)).toBe(false)
    }
  })
})
