/** What the UDP tests share: listeners, dials and plain sockets on loopback, freed after each test. */
import { afterEach } from "bun:test"
import { underWine } from "../../scripts/lib/relay-command.ts"
import type { AllowList } from "../../src/transport/allow.ts"
import type { Clock } from "../../src/transport/clock.ts"
import { systemClock } from "../../src/transport/clock.ts"
import type { Dial, Link } from "../../src/transport/link.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { type Lookup, Resolver } from "../../src/transport/resolver.ts"
import { dialUdp } from "../../src/transport/udp-dial.ts"
import { listenUdp, type UdpListener } from "../../src/transport/udp-listener.ts"
import { type OpenSocket, openSocket, type RawSocket } from "../../src/transport/udp-socket.ts"
import { RecordingObserver } from "./recording-observer.ts"

/** Whether all of 127.0.0.0/8 is this machine, each with ports of its own; macOS has 127.0.0.1 only. */
export const manyLoopbacks = process.platform !== "darwin" && !underWine()

const toClose: { close(): void }[] = []

afterEach(() => {
  for (const each of toClose.splice(0)) each.close()
})

/** Closes `closable` after the test. */
export function closing<T extends { close(): void }>(closable: T): T {
  toClose.push(closable)
  return closable
}

/** Keeps the sockets that are opened through it, so that a test can close them behind the relay's back. */
export class SpyingOpener {
  readonly sockets: RawSocket[] = []
  /** Codes that the next openings fail with. */
  readonly failures: string[] = []

  readonly open: OpenSocket = async (addresses, owner) => {
    const failure = this.failures.shift()
    if (failure) throw Object.assign(new Error(failure), { code: failure })
    const socket = await openSocket(addresses, owner)
    this.sockets.push(socket)
    return socket
  }
}

/** Parts of a listener that tests vary. */
export interface ListenerParts {
  port?: number
  bind?: readonly string[]
  allow?: AllowList
  clock?: Clock
  localAddresses?: () => readonly string[]
  senderLimit?: number
  openSocket?: OpenSocket
}

/** A listener on 127.0.0.1 unless told. */
export async function listener(
  parts: ListenerParts = {},
): Promise<{ server: UdpListener; observer: RecordingObserver }> {
  const observer = new RecordingObserver()
  const { port = 0, bind = ["127.0.0.1"], allow, clock = systemClock, ...rest } = parts
  const random = seededRandom(1)
  const options = { port, bind, allow, clock, observer, random, role: "server", channel: "scp" as const, ...rest }
  return { server: closing(await listenUdp(options)), observer }
}

/** Parts of a dial that tests vary. */
export interface DialParts {
  name?: string
  lookup?: Lookup
  clock?: Clock
  openSocket?: OpenSocket
  onIcmp?: (code: string) => void
}

/** A dial to 127.0.0.1 unless told. */
export function dial(
  port: number,
  parts: DialParts = {},
): { dial: Dial; observer: RecordingObserver; resolver: Resolver } {
  const observer = new RecordingObserver()
  const { name = "127.0.0.1", lookup, clock = systemClock, ...rest } = parts
  const random = seededRandom(2)
  const resolver = closing(new Resolver({ name, clock, observer, random, ...(lookup && { lookup }) }))
  const made = dialUdp({ resolver, port, clock, observer, random, ...rest })
  return { dial: (application) => closing(made(application)), observer, resolver }
}

/** A plain socket, such as an application or a board has, and what it got. */
export interface Plain {
  readonly socket: RawSocket
  readonly port: number
  readonly got: { readonly text: string; readonly port: number; readonly host: string }[]
  send(text: string, port: number, host?: string): void
  close(): void
}

/** Opens a plain socket. */
export async function plain(host = "127.0.0.1", port = 0): Promise<Plain> {
  const got: Plain["got"] = []
  const socket = await openSocket(
    { host, port },
    {
      onDatagram: (datagram, port, host) => got.push({ text: new TextDecoder().decode(datagram), port, host }),
      onError() {},
      onDrain() {},
    },
  )
  const send = (text: string, to: number, at = host) => void socket.send(new TextEncoder().encode(text), to, at)
  return closing({ socket, port: socket.address.port, got, send, close: () => socket.close() })
}

/** A port that nobody listens on: it was free a moment ago. */
export async function deadPort(host = "127.0.0.1"): Promise<number> {
  const socket = await openSocket({ host, port: 0 }, { onDatagram() {}, onError() {}, onDrain() {} })
  const { port } = socket.address
  socket.close()
  return port
}

/** Answers every datagram with itself, and keeps the links. */
export function echo(server: UdpListener): Link[] {
  const links: Link[] = []
  server.onLink = (link) => {
    links.push(link)
    link.onDatagram = (datagram) => link.send(datagram)
  }
  return links
}

/** Text to bytes. */
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
/** Bytes to text. */
export const text = (datagram: Uint8Array): string => new TextDecoder().decode(datagram)
