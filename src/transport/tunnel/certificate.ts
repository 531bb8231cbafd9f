/**
 * A certificate for the tunnel's TLS, made anew at each start: TLS wants one and nobody checks it, since both sides
 * prove over the finished channel that they know the key. X.509 v3 in DER (RFC 5280), P-256, signed by itself.
 */
import { createSign, generateKeyPairSync } from "node:crypto"

/** A key pair and its certificate, both PEM. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

const Tag = { integer: 0x02, bits: 0x03, oid: 0x06, utf8: 0x0c, time: 0x18, sequence: 0x30, set: 0x31, version: 0xa0 }
const OID_COMMON_NAME = Uint8Array.of(0x55, 4, 3)
const OID_ECDSA_SHA256 = Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2)

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const { length } = body
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Uint8Array.of(tag, ...size), body])
}

/** Makes one; about a millisecond. */
export function makeCertificate(): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const algorithm = der(Tag.sequence, der(Tag.oid, OID_ECDSA_SHA256))
  const text = (tag: number, value: string): Buffer => der(tag, Buffer.from(value))
  const commonName = der(Tag.sequence, der(Tag.oid, OID_COMMON_NAME), text(Tag.utf8, "spinnaker-relay"))
  const name = der(Tag.sequence, der(Tag.set, commonName))
  const body = der(
    Tag.sequence,
    der(Tag.version, der(Tag.integer, Uint8Array.of(2))),
    der(Tag.integer, Uint8Array.of(1)),
    algorithm,
    name,
    // As good as for ever (RFC 5280 4.1.2.5): a Pi without a clock of its own starts in 1970.
    der(Tag.sequence, text(Tag.time, "19700101000000Z"), text(Tag.time, "99991231235959Z")),
    name,
    publicKey.export({ type: "spki", format: "der" }),
  )
  const signature = createSign("sha256").update(body).sign(privateKey)
  const cert = der(Tag.sequence, body, algorithm, der(Tag.bits, Uint8Array.of(0), signature))
  const lines = cert.toString("base64").replace(/.{64}/g, "$&\n")
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  }
}
