/**
 * One client's connection: lines in, replies and notifications out. A client that does not read is not read from, its
 * news is one set of ids, and after a while it is parted from: it delays nobody and costs a bounded amount of memory.
 */

import type { Clock } from "../transport/clock.ts"
import { Outbox } from "../transport/outbox.ts"
import type { PausablePort, TcpOwner } from "../transport/tcp-port.ts"
import { type JsonObject, LineDecoder } from "./line-codec.ts"
import { type Notifier, Subscriber } from "./notifier.ts"
import type { DisconnectReason } from "./spalloc-events.ts"

/** With more than this waiting to be sent, no further command is taken and no notification is made. */
export const HIGH_WATER_BYTES = 64 << 10
/** A line that was begun must end within this. */
export const LINE_DEADLINE_MS = 30_000
/** A client with something waiting must take some of it within this. */
export const READ_DEADLINE_MS = 60_000
/** Commands that one client may have executed in its turn, and for how long. */
const COMMANDS_A_TURN = 64
export const COMMAND_TIME_A_TURN_MS = 4

/** What a connection needs from the server. */
export interface ClientOwner {
  readonly clock: Clock
  readonly notifier: Notifier
  /** Executes a request; the reply comes through `reply`, in order. */
  onRequest(client: ClientConnection, request: JsonObject): void
  /** Calls `run` when others have had their turn. */
  later(run: () => void): void
  /** What this client makes the server hold has grown by so many bytes (or shrunk). False if that is too much. */
  onHeld(change: number): boolean
  /** The connection is over; `reason` is absent where the other side ended it. */
  onOver(client: ClientConnection, reason: DisconnectReason | undefined): void
}

/** One client. */
export class ClientConnection implements TcpOwner {
  /** IP address, for limits and for `keepalivehost`. */
  readonly host: string
  readonly watches: Subscriber
  /** It has sent a request. */
  spoken = false
  readonly #lines = new LineDecoder()
  readonly #outbox: Outbox
  #held = 0
  #over = false
  #paused = false
  #again = false
  #news = false
  #owed: Uint8Array[] = []
  #owedBytes = 0
  #lineSince: number | undefined
  #blockedSince: number | undefined

  constructor(
    private readonly port: PausablePort,
    private readonly owner: ClientOwner,
  ) {
    this.host = port.peer.host
    this.watches = new Subscriber(owner.notifier, () => {
      this.#news = true
    })
    this.#outbox = new Outbox({
      write: (bytes) => this.#write(bytes),
      // The limit is ours: below, and without dropping anything.
      limits: { frames: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY },
      onOverflow: () => {},
      onRoom: () => {
        this.#hold()
        if (this.#paused || this.#news) this.#later()
      },
      clock: owner.clock,
      drops: { drop() {} },
      where: this.host,
    })
  }

  onData(chunk: Uint8Array): void {
    this.#lines.push(chunk)
    this.#work()
  }

  onDrain(): void {
    this.#blockedSince = undefined
    this.#outbox.drained()
    this.tell()
    this.#work()
  }

  onClose(): void {
    this.#finish(undefined)
  }

  /** Keeps a reply until `pay`; it counts as waiting. */
  owe(line: Uint8Array): void {
    this.#owed.push(line)
    this.#owedBytes += line.length
  }

  /** Sends what is owed. */
  pay(): void {
    const owed = this.#owed
    this.#owed = []
    this.#owedBytes = 0
    for (const line of owed) this.reply(line)
  }

  /** Sends a line. */
  reply(line: Uint8Array): void {
    if (this.#over) return
    this.#outbox.push(line, undefined, true)
    this.#hold()
  }

  /** Sends the news that there is, as long as the client reads. */
  tell(): void {
    if (!this.#news || this.#over || this.#outbox.bytes > HIGH_WATER_BYTES) return
    this.#news = false
    for (const line of this.watches.take()) this.reply(line)
  }

  /** True while it has news to hear. */
  get hasNews(): boolean {
    return this.#news
  }

  /** Looks at the deadlines. */
  check(now: number): void {
    if (this.#lineSince !== undefined && now - this.#lineSince >= LINE_DEADLINE_MS) this.drop("line-unfinished")
    else if (this.#blockedSince !== undefined && now - this.#blockedSince >= READ_DEADLINE_MS) this.drop("not-reading")
  }

  /** Parts from the client, with a last line if one is given. */
  drop(reason: DisconnectReason, last?: Uint8Array): void {
    if (this.#over) return
    if (last && this.#outbox.bytes === 0) this.port.write(last)
    // One that has bytes waiting would never take them: those go, and so does it.
    if (this.#outbox.bytes > 0) this.port.abort()
    else this.port.end()
    this.#finish(reason)
  }

  /** Ends it at the server's end. */
  close(): void {
    if (this.#over) return
    this.port.end()
    this.#finish(undefined)
  }

  get #waiting(): number {
    return this.#outbox.bytes + this.#owedBytes
  }

  #work(): void {
    const begun = this.owner.clock.now()
    for (let done = 0; !this.#over; done++) {
      if (this.#waiting > HIGH_WATER_BYTES) {
        this.#pause(true)
        break
      }
      if (done >= COMMANDS_A_TURN || (done > 0 && this.owner.clock.now() - begun >= COMMAND_TIME_A_TURN_MS)) {
        this.#pause(true)
        this.#later()
        break
      }
      const line = this.#lines.next()
      if (line.kind === "trouble") {
        this.drop(line.trouble)
        return
      }
      if (line.kind === "none") {
        this.#lines.settle()
        this.#pause(false)
        this.#lineSince = this.#lines.pendingBytes === 0 ? undefined : (this.#lineSince ?? this.owner.clock.now())
        break
      }
      this.#lineSince = undefined
      this.spoken = true
      this.owner.onRequest(this, line.value)
    }
    this.#hold()
  }

  /** Gives the others a turn. */
  #later(): void {
    if (this.#again) return
    this.#again = true
    this.owner.later(() => {
      this.#again = false
      this.tell()
      this.#work()
    })
  }

  #pause(pause: boolean): void {
    if (this.#paused === pause || this.#over) return
    this.#paused = pause
    if (pause) this.port.pause()
    else this.port.resume()
  }

  #write(bytes: Uint8Array): number {
    const taken = this.port.write(bytes)
    if (taken === bytes.length) this.#blockedSince = undefined
    else if (taken > 0) this.#blockedSince = this.owner.clock.now()
    else this.#blockedSince ??= this.owner.clock.now()
    return taken
  }

  #hold(): void {
    const held = this.#over ? 0 : this.#lines.pendingBytes + this.#waiting
    const change = held - this.#held
    this.#held = held
    if (change !== 0 && !this.owner.onHeld(change)) this.drop("memory")
  }

  #finish(reason: DisconnectReason | undefined): void {
    if (this.#over) return
    this.#over = true
    this.watches.close()
    this.#outbox.close()
    this.#hold()
    this.owner.onOver(this, reason)
  }
}
