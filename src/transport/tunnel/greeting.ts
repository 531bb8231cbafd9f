/** The client's half of the handshake on one connection: says its piece, waits for the answer, and hands the rest on. */
import { type ClientHello, HELLO_MAX_BYTES, readHello } from "../../protocol/tunnel-hello.ts"
import type { Clock } from "../clock.ts"
import type { TcpOwner } from "../tcp-port.ts"
import { beginHandshake, type ClientOutcome } from "./handshake.ts"
import type { SecurePort } from "./tls-port.ts"

/** A server may hold back a refusal for five seconds. */
export const GREETING_TIMEOUT_MS = 10_000

/** What became of a greeting. */
export type GreetingOutcome = ClientOutcome | { readonly kind: "failed"; readonly detail: string }

/** A key, as a client has it. */
export interface ClientKey {
  readonly id: string
  readonly secret: Uint8Array
}

/**
 * Greets over `port`; the returned owner must become the port's. `onOutcome` is called once, and returns who hears what
 * follows; a connection that is not wanted further is the caller's to end.
 */
export function greet(options: {
  port: SecurePort
  key: ClientKey
  hello: Omit<ClientHello, "key">
  clock: Clock
  onOutcome: (outcome: GreetingOutcome) => TcpOwner | undefined
}): TcpOwner {
  const { port, key, hello, clock, onOutcome } = options
  const handshake = beginHandshake(key.secret, port.exporter, { key: key.id, ...hello })
  let bytes: Uint8Array = new Uint8Array(0)
  let next: TcpOwner | undefined
  let over = false
  const finish = (outcome: GreetingOutcome): void => {
    if (over) return
    over = true
    timer.cancel()
    next = onOutcome(outcome)
  }
  const timer = clock.after(GREETING_TIMEOUT_MS, () =>
    finish({ kind: "failed", detail: `no answer to the greeting in ${GREETING_TIMEOUT_MS / 1000} s` }),
  )
  port.write(handshake.message)
  return {
    onData(chunk) {
      if (over) {
        next?.onData(chunk)
        return
      }
      bytes = Buffer.concat([bytes, chunk])
      const reading = readHello(bytes)
      if (reading.state === "bad" || (reading.state === "more" && bytes.length > HELLO_MAX_BYTES)) {
        finish({ kind: "failed", detail: "what answers there speaks no spinnaker-relay of this version" })
      }
      if (reading.state !== "whole") return
      finish(handshake.read(reading.message))
      const rest = bytes.subarray(reading.message.length)
      if (rest.length > 0) next?.onData(rest)
    },
    onDrain: () => next?.onDrain(),
    onClose(detail) {
      finish({ kind: "failed", detail: `the server ended the connection: ${detail}` })
      next?.onClose(detail)
    },
  }
}
