/** A safe tunnel over real sockets: a server whose flows echo, and clients that a test makes. */
import { randomBytes } from "node:crypto"
import type { Channel } from "../../src/observe/events.ts"
import type { Address } from "../../src/transport/address.ts"
import type { AllowList } from "../../src/transport/allow.ts"
import { type Clock, systemClock } from "../../src/transport/clock.ts"
import type { Link } from "../../src/transport/link.ts"
import { seededRandom } from "../../src/transport/random.ts"
import type { AdmissionLimits } from "../../src/transport/tunnel/admission.ts"
import type { ClientKey } from "../../src/transport/tunnel/greeting.ts"
import type { TunnelKey, TunnelKeys } from "../../src/transport/tunnel/keys.ts"
import type { MachineSenses } from "../../src/transport/tunnel/machine-watch.ts"
import { TunnelCarrier } from "../../src/transport/tunnel/tunnel-dial.ts"
import { TunnelServer } from "../../src/transport/tunnel/tunnel-server.ts"
import { RecordingObserver } from "./recording-observer.ts"

/** Keys in memory. */
export class FakeKeys implements TunnelKeys {
  readonly known = new Map<string, TunnelKey>()

  add(
    user: string,
    kind: TunnelKey["kind"] = "device",
    secret: Uint8Array = new Uint8Array(randomBytes(32)),
  ): ClientKey {
    const key: TunnelKey = { id: `${user}-${this.known.size}`, secret, user, kind, state: "valid" }
    this.known.set(key.id, key)
    return key
  }

  find(id: string): TunnelKey | undefined {
    return this.known.get(id)
  }

  redeem(ticket: string, device: { name: string; secret: Uint8Array }): string {
    const { user } = this.known.get(ticket)!
    this.end(ticket, "used")
    return this.add(user, "device", device.secret).id
  }

  end(id: string, state: TunnelKey["state"]): void {
    this.known.set(id, { ...this.known.get(id)!, state })
  }
}

/** A server on 127.0.0.1; its flows send back what they get. */
export class EchoTunnel {
  readonly keys = new FakeKeys()
  readonly observer = new RecordingObserver()
  readonly links: { link: Link; channel: Channel; board: string }[] = []
  readonly ends: string[] = []
  readonly received: string[] = []
  readonly server: TunnelServer
  readonly port: number
  #clients: TunnelCarrier[] = []

  constructor(options: { resumeMs?: number; limits?: AdmissionLimits; allow?: AllowList; clock?: Clock } = {}) {
    this.server = new TunnelServer({
      settings: () => ({
        ...{ name: "pi", allow: options.allow, sessionsPerKey: 4, resumeMs: options.resumeMs ?? 60_000 },
      }),
      keys: this.keys,
      clock: options.clock ?? systemClock,
      observer: this.observer,
      newId: () => randomBytes(16).toString("hex"),
      onLink: (link, channel, board) => {
        this.links.push({ link, channel, board })
        link.onDatagram = (datagram) => {
          this.received.push(Buffer.from(datagram).toString())
          link.send(new Uint8Array(datagram))
        }
        link.onClose = () => {}
      },
      onNotice() {},
      onSessionEnd: (session, how) => this.ends.push(`${session.user} ${how}`),
      ...(options.limits && { limits: options.limits }),
    })
    this.port = this.server.listen({ host: "127.0.0.1", port: 0 }).port
  }

  /** A client with `key`, at this server's port or what stands before it. */
  client(key: ClientKey, port = this.port, clock: Clock = systemClock, senses?: MachineSenses) {
    const observer = new RecordingObserver()
    const downs: string[] = []
    const ups: Address[] = []
    const carrier = new TunnelCarrier({
      ...{ name: "pi", addresses: [{ host: "127.0.0.1", port }], key, clock, random: seededRandom(3), observer },
      ...(senses && { senses }),
      newReplay: () => undefined,
      onNotice() {},
      onUp: (address) => ups.push(address),
      onDown: (why, detail) => downs.push(`${why}: ${detail}`),
    })
    this.#clients.push(carrier)
    return { carrier, observer, downs, ups }
  }

  refused(reason: Parameters<TunnelServer["refusals"]["get"]>[0]): number {
    return this.server.refusals.get(reason) ?? 0
  }

  [Symbol.dispose](): void {
    for (const carrier of this.#clients) carrier.close()
    this.server.close()
  }
}

/** What came on a link, and its end. */
export function listen(link: Link) {
  const heard: string[] = []
  link.onDatagram = (datagram) => heard.push(Buffer.from(datagram).toString())
  link.onClose = (reason) => heard.push(`closed: ${reason.code}`)
  return heard
}

export const text = (words: string): Uint8Array => new Uint8Array(Buffer.from(words))
