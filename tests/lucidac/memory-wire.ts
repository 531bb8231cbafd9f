/** Two ends of a TCP connection without sockets: what one writes the other gets in the same moment of a fake clock, unless it pauses. */
import type { Clock } from "../../src/transport/clock.ts"
import type { PausablePort, TcpOwner } from "../../src/transport/tcp-port.ts"

/** Bytes that one direction holds before it takes no more, as the system's own buffers do. */
const CAPACITY = 256 << 10

/** One end. */
export class MemoryEnd implements PausablePort {
  readonly peer: { host: string; port: number }
  owner: TcpOwner | undefined
  other!: MemoryEnd
  #queue: Uint8Array[] = []
  #held = 0
  #paused = false
  #short = false
  #closed = false
  #scheduled = false
  /** The other side has ended it: its owner hears so behind what is on its way. */
  #ending: string | undefined

  constructor(
    private readonly clock: Clock,
    host: string,
    port: number,
  ) {
    this.peer = { host, port }
  }

  get paused(): boolean {
    return this.#paused
  }

  write(bytes: Uint8Array): number {
    const { other } = this
    if (this.#closed || other.#closed) return 0
    const taken = Math.min(bytes.length, CAPACITY - other.#held)
    if (taken > 0) {
      other.#queue.push(bytes.slice(0, taken))
      other.#held += taken
      other.#schedule()
    }
    if (taken < bytes.length) this.#short = true
    return taken
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#schedule()
  }

  end(): void {
    this.owner = undefined
    this.#closed = true
    this.other.#lose("closed by the other side")
  }

  endSending(): void {
    this.other.#lose("closed by the other side")
  }

  /** As with a reset, the other side loses what it has not read. */
  abort(): void {
    this.owner = undefined
    this.#closed = true
    this.other.#queue = []
    this.other.#held = 0
    this.other.#lose("reset by the other side")
  }

  /** The network or the other side ends it, after what is on its way. */
  #lose(detail: string): void {
    this.#ending = detail
    this.clock.after(0, () => this.#deliver())
  }

  #end(): void {
    if (this.#ending === undefined || this.#closed) return
    this.#closed = true
    const { owner } = this
    this.owner = undefined
    owner?.onClose(this.#ending)
  }

  #schedule(): void {
    if (this.#scheduled || this.#paused || this.#held === 0) return
    this.#scheduled = true
    this.clock.after(0, () => this.#deliver())
  }

  #deliver(): void {
    this.#scheduled = false
    while (!this.#paused && this.#queue.length > 0) {
      const chunk = this.#queue.shift()!
      this.#held -= chunk.length
      this.owner?.onData(chunk)
    }
    if (this.#queue.length === 0) this.#end()
    if (this.other.#short && this.#held < CAPACITY / 2) {
      this.other.#short = false
      this.clock.after(0, () => this.other.owner?.onDrain())
    }
  }
}

/** Two connected ends; each `peer` is the address of the other. */
export function memoryWire(clock: Clock, client: string, server: string): [MemoryEnd, MemoryEnd] {
  const near = new MemoryEnd(clock, server, 5732)
  const far = new MemoryEnd(clock, client, 40_000)
  near.other = far
  far.other = near
  return [near, far]
}
