/** A TCP middle-man that a test makes fail: it can stop reading, swallow, reset or hold what passes. */
import type { Socket, TCPSocketListener } from "bun"
import { type Clock, systemClock } from "../../src/transport/clock.ts"

interface Pair {
  readonly near: Socket<unknown>
  far: Socket<unknown> | undefined
  pending: Uint8Array[]
  readonly delayMs: number
  /** Nothing passes any more, and neither end is told. */
  dead: boolean
  /** What comes from that end is swallowed; the other way passes. */
  mute: End | undefined
}

/** An end of a connection, as the middle-man sees it. */
export type End = "client" | "server"

/** Stands between a client and a server. */
export class Middleman implements Disposable {
  /** Connections accepted so far. */
  accepted = 0
  /** Bytes that have come from clients. */
  fromClients = 0
  /** What passes on connections to come takes this much longer, each way. */
  delayMs = 0
  #pairs = new Set<Pair>()
  #mode: "pass" | "stop-reading" | "refuse" = "pass"
  /** What is held back, in order; undefined while all passes. */
  #held: (() => void)[] | undefined
  readonly #listener: TCPSocketListener<unknown>

  constructor(
    private targetPort: number,
    private readonly clock: Clock = systemClock,
  ) {
    const pairs = new Map<Socket<unknown>, Pair>()
    this.#listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        binaryType: "uint8array",
        open: (near) => {
          this.accepted++
          const pair: Pair = { near, far: undefined, pending: [], delayMs: this.delayMs, dead: false, mute: undefined }
          pairs.set(near, pair)
          this.#pairs.add(pair)
          if (this.#mode === "refuse") near.terminate()
          else if (this.#mode === "stop-reading") near.pause()
          else this.#dial(pair)
        },
        data: (near, chunk) => {
          const pair = pairs.get(near)
          this.fromClients += chunk.length
          const copy = chunk.slice()
          if (pair) this.#later(pair, "client", () => (pair.far ? pair.far.write(copy) : pair.pending.push(copy)))
        },
        close: (near) => {
          const pair = pairs.get(near)
          pairs.delete(near)
          if (!pair) return
          this.#pairs.delete(pair)
          if (!pair.dead) pair.far?.end()
        },
        error() {},
      },
    })
  }

  get port(): number {
    return this.#listener.port
  }

  /** Connections now. */
  get connections(): number {
    return this.#pairs.size
  }

  /** Passes bytes again, for new connections and those that only stopped reading. */
  pass(): void {
    this.#mode = "pass"
    for (const pair of this.#pairs) pair.near.resume()
  }

  /** Leaves what clients send in the system's buffers: written, accepted, never delivered. */
  stopReading(): void {
    this.#mode = "stop-reading"
    for (const { near } of this.#pairs) near.pause()
  }

  /** Both ends of today's connections stay open and hear nothing of each other again; new ones pass. */
  blackhole(): void {
    for (const pair of this.#pairs) pair.dead = true
  }

  /** Of today's connections one end is not heard any more, and is not told; new ones pass. */
  mute(end: End): void {
    for (const pair of this.#pairs) pair.mute = end
  }

  /** Keeps back all that comes, on every connection, until `release`. */
  hold(): void {
    this.#held ??= []
  }

  /** Lets all that was held back go on, in its order. */
  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const pass of held) pass()
  }

  /** New connections are reset at once. */
  refuse(): void {
    this.#mode = "refuse"
  }

  /** Resets every connection, both ways. */
  cut(): void {
    for (const { near, far } of [...this.#pairs]) {
      near.terminate()
      far?.terminate()
    }
    this.#pairs.clear()
  }

  /** Resets the clients' side of every connection, and does not tell the server. */
  cutNear(): void {
    this.blackhole()
    for (const { near } of [...this.#pairs]) near.terminate()
  }

  /** Resets the server's side of every connection, and does not tell the clients. */
  cutFar(): void {
    this.blackhole()
    for (const { far } of this.#pairs) far?.terminate()
  }

  [Symbol.dispose](): void {
    this.cut()
    this.#listener.stop(true)
  }

  #later(pair: Pair, from: End, pass: () => void): void {
    if (pair.dead || pair.mute === from) return
    const alive = (): void => {
      if (this.#held) this.#held.push(alive)
      else if (!pair.dead && pair.mute !== from) pass()
    }
    if (pair.delayMs === 0) alive()
    else this.clock.after(pair.delayMs, alive)
  }

  #dial(pair: Pair): void {
    Bun.connect({
      hostname: "127.0.0.1",
      port: this.targetPort,
      socket: {
        binaryType: "uint8array",
        open: (far) => {
          pair.far = far
          for (const chunk of pair.pending.splice(0)) far.write(chunk)
        },
        data: (_far, chunk) => {
          const copy = chunk.slice()
          this.#later(pair, "server", () => pair.near.write(copy))
        },
        close: () => {
          if (!pair.dead) pair.near.end()
        },
        error() {},
      },
    }).catch(() => pair.near.terminate())
  }
}
