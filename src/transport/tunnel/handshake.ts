/** What each side of the tunnel's handshake says and believes, as values: no sockets, no clock. */

import { randomBytes } from "node:crypto"
import type { RefusalReason } from "../../observe/refusal-reason.ts"
import {
  type ClientHello,
  decodeClientHello,
  decodeServerHello,
  encodeBody,
  encodeHello,
  type HelloMessage,
  PROOF_BYTES,
  type ServerHello,
} from "../../protocol/tunnel-hello.ts"
import type { TunnelKey, TunnelKeys } from "./keys.ts"
import { KEY_BYTES, prove, proves, seal, sealsAnother } from "./proof.ts"

/** What a server makes of a client's hello. */
export type Verdict =
  | { readonly ok: true; readonly key: TunnelKey; readonly hello: ClientHello }
  | { readonly ok: false; readonly reason: RefusalReason; readonly answer: Uint8Array | undefined }

const NO_PROOF = new Uint8Array(PROOF_BYTES)
/** Compared with where there is no such key, so that it takes as long; nobody knows it, so that no guess takes longer. */
const NO_SECRET: Uint8Array = randomBytes(KEY_BYTES)
/** The same words for a key that is not there and for one that was not proved: which it is, is nobody's business. */
const UNKNOWN: ServerHello = { refused: "the server does not know this key", code: "unknown-key" }

const refusals: Record<Exclude<TunnelKey["state"], "valid">, { reason: RefusalReason; words: string }> = {
  used: { reason: "used-ticket", words: "this ticket has been used: ask for another" },
  expired: { reason: "expired-ticket", words: "this ticket has expired: ask for another" },
  revoked: { reason: "revoked-key", words: "this key has been revoked: ask for a new ticket" },
}

/** Judges a client's first message; a valid proof of a key that is no longer good is told why, and proved to. */
export function judgeClient(message: HelloMessage, exporter: Uint8Array, keys: TunnelKeys): Verdict {
  const hello = decodeClientHello(message.body)
  if (!hello) return { ok: false, reason: "malformed", answer: undefined }
  const key = keys.find(hello.key)
  const secret = key?.secret ?? NO_SECRET
  const proved = proves(prove(secret, exporter, { role: "client" }, message.body), message.proof)
  if (!key || !proved) {
    const strayed = sealsAnother(hello.seal ?? "", secret, exporter)
    const reason = !key ? "unknown-key" : strayed ? "interposed" : "wrong-proof"
    return { ok: false, reason, answer: encodeHello(encodeBody(UNKNOWN), NO_PROOF) }
  }
  if (key.state === "valid") return { ok: true, key, hello }
  const { reason, words } = refusals[key.state]
  return { ok: false, reason, answer: answerClient(key, exporter, message, { refused: words, code: reason }) }
}

/** A server's answer to `message`, with its proof. */
export function answerClient(
  key: TunnelKey,
  exporter: Uint8Array,
  message: HelloMessage,
  words: ServerHello,
): Uint8Array {
  const body = encodeBody(words)
  return encodeHello(body, prove(key.secret, exporter, { role: "server", clientProof: message.proof }, body))
}

/** A client's first message, and the check of what comes back. */
export interface ClientHandshake {
  readonly message: Uint8Array
  /** "refused": the server's own words, `proved` if it knows the key; "impostor": it does not, and says it lets us in. */
  read(answer: HelloMessage): ClientOutcome
}

/** What a client makes of a server's answer. */
export type ClientOutcome =
  | { readonly kind: "welcome"; readonly welcome: Extract<ServerHello, { session: string }> }
  | { readonly kind: "refused"; readonly code: string; readonly detail: string; readonly proved: boolean }
  | { readonly kind: "impostor" }

/** Begins a handshake with the key `hello.key`. */
export function beginHandshake(secret: Uint8Array, exporter: Uint8Array, hello: ClientHello): ClientHandshake {
  const body = encodeBody({ ...hello, seal: seal(secret, exporter) })
  const clientProof = prove(secret, exporter, { role: "client" }, body)
  return {
    message: encodeHello(body, clientProof),
    read(answer) {
      const expected = prove(secret, exporter, { role: "server", clientProof }, answer.body)
      const proved = proves(expected, answer.proof)
      const words = decodeServerHello(answer.body)
      if (words && "refused" in words) return { kind: "refused", code: words.code, detail: words.refused, proved }
      return proved && words ? { kind: "welcome", welcome: words } : { kind: "impostor" }
    },
  }
}
