/**
 * How both sides prove that they know a key over this very TLS channel: an HMAC over the channel's exporter (RFC 9266,
 * `tls-exporter`), the role and the words said, key id included. A man in the middle has two channels with two
 * exporters; a proof made for one is worth nothing on the other, and the key never travels.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto"

/** Label of the exporter, with an empty context and 32 bytes (RFC 9266). */
export const EXPORTER_LABEL = "EXPORTER-Channel-Binding"
/** Bytes of an exporter value. */
export const EXPORTER_BYTES = 32
/** Bytes of a key. */
export const KEY_BYTES = 32

const LABEL = "spinnaker-relay tunnel 1"

/** Whose proof it is; a server's covers what the client said and proved. */
export type Prover = { readonly role: "client" } | { readonly role: "server"; readonly clientProof: Uint8Array }

/** The proof of knowing `secret` on the channel with that exporter, for `body`. */
export function prove(secret: Uint8Array, exporter: Uint8Array, prover: Prover, body: Uint8Array): Uint8Array {
  const mac = createHmac("sha256", secret).update(`${LABEL} ${prover.role}\0`).update(exporter)
  if (prover.role === "server") mac.update(prover.clientProof)
  return new Uint8Array(mac.update(body).digest())
}

/** In constant time. */
export function proves(expected: Uint8Array, given: Uint8Array): boolean {
  return expected.length === given.length && timingSafeEqual(expected, given)
}

/** Bytes of a seal: which channel, and the key's mark on that. */
const SEAL_HALF_BYTES = 16

/** Names the channel with that exporter, without telling its value, as only who knows `secret` can. */
export function seal(secret: Uint8Array, exporter: Uint8Array): string {
  const channel = createHash("sha256").update(exporter).digest().subarray(0, SEAL_HALF_BYTES)
  return Buffer.concat([channel, markOf(secret, channel)]).toString("base64url")
}

/** True if who knows `secret` has sealed another channel than the one with that exporter. */
export function sealsAnother(sealed: string, secret: Uint8Array, exporter: Uint8Array): boolean {
  const bytes = Buffer.from(sealed, "base64url")
  const [channel, mark] = [bytes.subarray(0, SEAL_HALF_BYTES), bytes.subarray(SEAL_HALF_BYTES)]
  const isAnother = sealed !== seal(secret, exporter)
  return proves(markOf(secret, channel), mark) && isAnother
}

function markOf(secret: Uint8Array, channel: Uint8Array): Uint8Array {
  const mac = createHmac("sha256", secret).update(`${LABEL} seal\0`).update(channel)
  return new Uint8Array(mac.digest().subarray(0, SEAL_HALF_BYTES))
}

/** The device's own key, which both ends know and nobody who later finds the ticket: the exporter is gone by then. */
export function deviceSecret(ticketSecret: Uint8Array, exporter: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", ticketSecret).update(`${LABEL} device\0`).update(exporter).digest())
}
