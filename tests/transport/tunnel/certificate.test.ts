import { describe, expect, test } from "bun:test"
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto"
import { makeCertificate } from "../../../src/transport/tunnel/certificate.ts"

describe("a certificate", () => {
  test("is X.509, of P-256, signed by itself, and its key is the one beside it", () => {
    // Many: the lengths of a signature's two numbers change from one to the next.
    for (let round = 0; round < 200; round++) {
      const { key, cert } = makeCertificate()
      const parsed = new X509Certificate(cert)
      expect(parsed.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1")
      expect(parsed.verify(parsed.publicKey)).toBe(true)
      expect(parsed.checkPrivateKey(createPrivateKey(key))).toBe(true)
      expect(cert).not.toContain("\n\n")
      for (const line of cert.split("\n")) expect(line.length).toBeLessThanOrEqual(64)
    }
  })

  test("is valid on a machine that does not know the time, and says what it is for", () => {
    const parsed = new X509Certificate(makeCertificate().cert)
    expect([parsed.validFromDate.getTime(), parsed.validToDate.getUTCFullYear()]).toEqual([0, 9999])
    expect([parsed.subject, parsed.issuer]).toEqual(["CN=spinnaker-relay", "CN=spinnaker-relay"])
  })

  test("is another each time, key and all", () => {
    const [a, b] = [makeCertificate(), makeCertificate()]
    const publicKeys = [a, b].map(({ key }) => createPublicKey(key).export({ type: "spki", format: "pem" }))
    expect(publicKeys[0]).not.toBe(publicKeys[1]!)
  })

  test("is not checked by another's key", () => {
    const [a, b] = [makeCertificate(), makeCertificate()].map(({ cert }) => new X509Certificate(cert))
    expect(a!.verify(b!.publicKey)).toBe(false)
  })
})
