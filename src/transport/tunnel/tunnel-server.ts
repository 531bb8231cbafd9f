/**
 * The tunnel's door: TLS listeners, strangers that have a little time and room to prove a key, and the sessions of
 * those who did. Nothing is believed before the proof, and nothing is told.
 */
import type { TCPSocketListener } from "bun"
import type { Channel } from "../../observe/events.ts"
import type { Observer } from "../../observe/observer.ts"
import type { RefusalReason } from "../../observe/refusal-reason.ts"
import { HELLO_MAX_BYTES, type HelloMessage, readHello } from "../../protocol/tunnel-hello.ts"
import type { Address } from "../address.ts"
import type { AllowList } from "../allow.ts"
import { type Clock, every, type Timer } from "../clock.ts"
import type { Link } from "../link.ts"
import type { Notice } from "../mux-connection.ts"
import type { TaggedQueueLimits } from "../tagged-queue.ts"
import type { TcpOwner, TcpState } from "../tcp-port.ts"
import { Admission, type AdmissionLimits } from "./admission.ts"
import { type Certificate, makeCertificate } from "./certificate.ts"
import { FailureDelay } from "./failure-delay.ts"
import { answerClient, judgeClient } from "./handshake.ts"
import type { TunnelKey, TunnelKeys } from "./keys.ts"
import { deviceSecret } from "./proof.ts"
import { SeenProofs } from "./seen-proofs.ts"
import { listenTls, type SecurePort, type TlsHandlers } from "./tls-port.ts"
import { type SessionEnd, TunnelSession } from "./tunnel-session.ts"

/** One event for refusals of a kind in this time. */
const REFUSAL_EVENT_MS = 10_000

/** What a reload may change. */
export interface TunnelSettings {
  /** What clients are told that they have reached. */
  readonly name: string
  /** Who may connect at all; undefined: everyone. */
  readonly allow: AllowList | undefined
  /** Sessions that one key may have at once. */
  readonly sessionsPerKey: number
  /** A session waits this long for its client to come back, milliseconds. */
  readonly resumeMs: number
}

/** What the door needs from its owner. */
export interface TunnelServerOptions {
  /** Asked each time that they are needed. */
  readonly settings: () => TunnelSettings
  readonly keys: TunnelKeys
  readonly clock: Clock
  readonly observer: Observer
  /** An unguessable id. */
  readonly newId: () => string
  readonly onLink: (link: Link, channel: Channel, board: string, session: TunnelSession) => void
  readonly onNotice: (notice: Notice, session: TunnelSession) => void
  readonly onSession?: (session: TunnelSession) => void
  readonly onSessionEnd?: (session: TunnelSession, how: SessionEnd) => void
  readonly taggedQueue?: TaggedQueueLimits
  readonly limits?: AdmissionLimits
}

/** Listens, lets in, keeps sessions. */
export class TunnelServer {
  readonly #options: TunnelServerOptions
  readonly #certificate: Certificate = makeCertificate()
  readonly #admission: Admission
  /** Strangers who are refused and counted, and take up room until they are gone. */
  readonly #judged = new WeakSet<object>()
  readonly #delay = new FailureDelay()
  readonly #proofs = new SeenProofs()
  readonly #sessions = new Map<string, TunnelSession>()
  readonly #listeners: TCPSocketListener<TcpState>[] = []
  readonly #refusals = new Map<RefusalReason, number>()
  readonly #toldAt = new Map<RefusalReason, number>()
  readonly #sweeper: Timer

  constructor(options: TunnelServerOptions) {
    this.#options = options
    this.#admission = new Admission(options.limits)
    this.#sweeper = every(options.clock, 1000, () => this.#admission.sweep(options.clock.now()))
  }

  /** Listens at one more address; returns it with its port. Throws Bun's error with its `code` when it cannot. */
  listen(address: Address): Address {
    const listener = listenTls(address, this.#certificate, this.#handlers)
    this.#listeners.push(listener)
    return { host: address.host, port: listener.port }
  }

  /** Sessions now, those that wait for their client included. */
  get sessions(): readonly TunnelSession[] {
    return [...this.#sessions.values()]
  }

  /** Peers that were not let in, by reason. */
  get refusals(): ReadonlyMap<RefusalReason, number> {
    return this.#refusals
  }

  /** Connections that have not proved anything yet. */
  get strangers(): number {
    return this.#admission.size
  }

  /** Ends the sessions of the keys that are good no more; returns how many. */
  endRevoked(): number {
    const { keys } = this.#options
    const revoked = this.sessions.filter(({ key }) => keys.find(key.id)?.state !== "valid")
    for (const session of revoked) session.end({ code: "refused", detail: "the key has been revoked" })
    return revoked.length
  }

  close(): void {
    this.#sweeper.cancel()
    for (const listener of this.#listeners) listener.stop()
    for (const session of this.sessions) session.end({ code: "shutdown", detail: "the server is stopping" })
    this.#admission.clear()
  }

  readonly #handlers: TlsHandlers = {
    onOpen: (key, peer, abort) => {
      const { clock } = this.#options
      const { host } = peer
      const { allow } = this.#options.settings()
      if (allow && !allow.allows(host)) {
        this.#refused("not-allowed", host)
        return false
      }
      this.#admission.enter(key, host, clock.now(), (why) => {
        if (!this.#judged.has(key)) this.#refused(why, host)
        abort()
      })
      return true
    },
    onSecure: (key, port) => this.#greet(key, port),
    onEnd: (key) => {
      if (this.#admission.leave(key) && !this.#judged.has(key)) this.#refused("tls", "")
    },
  }

  /** Reads the first message of a connection, then hands it to its session. */
  #greet(key: object, port: SecurePort): TcpOwner {
    let bytes: Uint8Array = new Uint8Array(0)
    let owner: TcpOwner | undefined
    let judged = false
    const refuse = (reason: RefusalReason): void => {
      judged = true
      this.#admission.leave(key)
      this.#refused(reason, port.peer.host)
      port.abort()
    }
    return {
      onData: (chunk) => {
        if (owner) {
          owner.onData(chunk)
          return
        }
        // A peer that has said its piece waits for its answer in silence.
        if (judged || bytes.length + chunk.length > HELLO_MAX_BYTES) {
          if (!judged) refuse("oversize")
          return
        }
        bytes = bytes.length === 0 ? new Uint8Array(chunk) : Buffer.concat([bytes, chunk])
        const reading = readHello(bytes)
        if (reading.state === "bad") refuse(reading.reason)
        if (reading.state !== "whole") return
        judged = true
        owner = this.#judge(key, port, reading.message)
        const rest = bytes.subarray(reading.message.length)
        if (owner && rest.length > 0) owner.onData(rest)
      },
      onDrain: () => owner?.onDrain(),
      onClose: (detail) => {
        if (owner) owner.onClose(detail)
        else if (this.#admission.leave(key) && !judged) {
          this.#refused(bytes.length > 0 ? "truncated" : "left", port.peer.host)
        }
      },
    }
  }

  #judge(key: object, port: SecurePort, message: HelloMessage): TcpOwner | undefined {
    const { keys, clock } = this.#options
    const { host } = port.peer
    const verdict = judgeClient(message, port.exporter, keys)
    const isFalse = !verdict.ok && (verdict.reason === "wrong-proof" || verdict.reason === "interposed")
    const isReplay = isFalse && this.#proofs.has(message.proof)
    if (verdict.ok || verdict.reason === "interposed") this.#proofs.add(message.proof)
    if (!verdict.ok) {
      this.#refused(isReplay ? "replayed" : verdict.reason, host)
      this.#judged.add(key)
      const { answer } = verdict
      const reply = (): void => {
        // It may have been made to give way meanwhile.
        if (!this.#admission.has(key)) return
        if (answer) port.write(answer)
        // After Bun's end() a socket whose peer stays cannot be reset any more, and takes up a file for 12 s.
        port.endSending()
      }
      clock.after(this.#delay.failed(host, clock.now()), reply)
      return undefined
    }
    this.#admission.leave(key)
    if (verdict.key.kind === "ticket") {
      this.#redeem(port, message, verdict.key, verdict.hello.device ?? "")
      return undefined
    }
    return this.#open(port, message, verdict.key, verdict.hello.resume)
  }

  #open(port: SecurePort, message: HelloMessage, key: TunnelKey, resume: string | undefined): TcpOwner | undefined {
    const { newId, clock, observer, taggedQueue, onLink, onNotice } = this.#options
    const { name, resumeMs, sessionsPerKey } = this.#options.settings()
    const old = resume === undefined ? undefined : this.#sessions.get(resume)
    const resumed = old?.key.id === key.id ? old : undefined
    const held = this.sessions.filter((session) => session.key.id === key.id).length
    if (!resumed && held >= sessionsPerKey) {
      this.#refused("too-many-sessions", port.peer.host)
      const words = { refused: `this key has ${held} sessions open already: end one`, code: "too-many-sessions" }
      port.write(answerClient(key, port.exporter, message, words))
      port.end()
      return undefined
    }
    const id = resumed?.id ?? newId()
    const words = { session: id, resumed: resumed !== undefined, name, resumeMs }
    port.write(answerClient(key, port.exporter, message, words))
    if (resumed) {
      resumed.resume(port)
      return resumed.ownerOf(port)
    }
    const session = new TunnelSession(
      {
        ...{ id, key, clock, observer, resumeMs, taggedQueue, onLink, onNotice },
        onEnd: (ended, how) => {
          this.#sessions.delete(ended.id)
          this.#options.onSessionEnd?.(ended, how)
        },
      },
      port,
    )
    this.#sessions.set(id, session)
    this.#options.onSession?.(session)
    return session.ownerOf(port)
  }

  /** The ticket becomes a device key, which both ends derive; it travels no more than the ticket does. */
  #redeem(port: SecurePort, message: HelloMessage, ticket: TunnelKey, device: string): void {
    const { keys, newId, observer } = this.#options
    const { name } = this.#options.settings()
    try {
      const id = keys.redeem(ticket.id, { name: device, secret: deviceSecret(ticket.secret, port.exporter) })
      const words = { session: newId(), resumed: false, name, resumeMs: 0, device: id }
      port.write(answerClient(ticket, port.exporter, message, words))
      observer.event({ type: "device-joined", user: ticket.user, device, peer: port.peer.host })
    } catch (error) {
      observer.event({ type: "internal-error", where: "keeping a new key", detail: String(error) })
      const words = { refused: "the server cannot keep the key: see its log", code: "not-kept" }
      port.write(answerClient(ticket, port.exporter, message, words))
    }
    port.end()
  }

  #refused(reason: RefusalReason, host: string): void {
    const { observer, clock } = this.#options
    const count = (this.#refusals.get(reason) ?? 0) + 1
    this.#refusals.set(reason, count)
    const now = clock.now()
    if (now - (this.#toldAt.get(reason) ?? Number.NEGATIVE_INFINITY) < REFUSAL_EVENT_MS) return
    this.#toldAt.set(reason, now)
    observer.event({ type: "tunnel-refused", peer: host, reason, count })
  }
}
