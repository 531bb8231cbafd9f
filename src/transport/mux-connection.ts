/**
 * One TCP connection between two relays, after the preface: flows as channels, heartbeats, bounded queues. Both ends
 * use it; the client opens flows, the server is told of them.
 */

import type { Drops } from "../observe/observer.ts"
import {
  encodeClose,
  encodeData,
  encodeNotice,
  encodeOpen,
  encodePing,
  encodeResumed,
  encodeTagged,
  MUX_MAX_PAYLOAD,
  MUX_TAGGED_HEADER,
  type MuxChannelName,
  MuxDecoder,
  type MuxFrame,
  type TaggedDatagram,
} from "../protocol/mux.ts"
import { type Clock, every, type Timer } from "./clock.ts"
import { FairQueue } from "./fair-queue.ts"
import { Heartbeat, type HeartbeatTimes } from "./heartbeat.ts"
import type { CloseCode, CloseReason } from "./link.ts"
import { Outbox } from "./outbox.ts"
import { TAGGED_QUEUE, type TaggedQueueLimits } from "./tagged-queue.ts"
import type { TcpPort } from "./tcp-port.ts"

/** What one flow's owner hears from the connection. */
export interface MuxFlowOwner {
  onDatagram(datagram: Uint8Array): void
  /** A datagram beside the flow's own. */
  onTagged?(tagged: TaggedDatagram): void
  /** The flow is over on the other side, or the connection is. Called at most once, last. */
  onClose(reason: CloseReason): void
}

/** One flow on a connection. */
export interface MuxFlow {
  send(datagram: Uint8Array): void
  /** Sends a datagram beside the flow's own; it waits behind those, and as long as `taggedQueue` allows. */
  sendTagged(tagged: TaggedDatagram): void
  close(reason: CloseReason): void
}

/** News of no flow: `kind` is one of MuxNotice. */
export interface Notice {
  readonly kind: number
  readonly board: string
  readonly payload: Uint8Array
}

/** What a connection needs from its owner. */
export interface MuxConnectionOptions {
  port: TcpPort
  peer: string
  clock: Clock
  drops: Drops
  /** Server: a flow has been opened by the peer; returns its owner, or undefined to refuse it. */
  onOpen?: (
    flow: MuxFlow,
    about: { channel: MuxChannelName; board: string; application: string },
  ) => MuxFlowOwner | undefined
  /** News of no flow has come; `payload` is a view. */
  onNotice?: (notice: Notice) => void
  /** The connection cannot be used further: the owner must drop it (the port is still open). */
  onDead: (detail: string) => void
  /** A frame has come whole: the peer speaks the protocol. */
  onFrame?: () => void
  /** The peer has ended the session, not only a flow. */
  onBye?: (reason: CloseReason) => void
  heartbeat?: HeartbeatTimes
  taggedQueue?: TaggedQueueLimits
  /** How long a datagram may wait; MAX_AGE_MS unless told. */
  maxAgeMs?: Readonly<Record<MuxChannelName, number>>
  /** A ping this often whatever passes, milliseconds, to know the round-trip time; else only when it is quiet. */
  pingEveryMs?: number
}

/** What a connection knows of the way to its peer. */
export interface MuxMeasures {
  /** Of the last ping, milliseconds; undefined before the first answer. */
  readonly rttMs: number | undefined
  /** What waits now. */
  readonly queuedBytes: number
  /** The longest that a datagram which went out had waited, in the last ten seconds, milliseconds. */
  readonly queueAgeMs: number
}

/** How long a datagram may wait for the connection: SCP clients ask again after 500 ms, a boot is worth finishing. */
export const MAX_AGE_MS: Record<MuxChannelName, number> = { scp: 400, boot: 10_000 }
/** Flows that one peer may have open at once. */
export const MAX_FLOWS_PER_CONNECTION = 1024
/** News is worth its while a little longer than a beacon's period of 4 s. */
const NOTICE_MAX_AGE_MS = 5_000
const CHECK_MS = 500
/** Frames are handed to the outbox while it holds less: enough for one write, little for others to wait behind. */
const AHEAD_BYTES = 64 << 10
/** What may wait of all flows' own datagrams: a boot and much SCP each, and of all together what the outbox may hold. */
const DATA_QUEUE = { frames: 1024, bytes: 256 << 10, totalBytes: 1 << 20 } as const
/** Queue ages are the worst of this time. */
const AGE_WINDOW_MS = 10_000
const closeCodes = new Set<string>(["closed", "idle", "evicted", "peer-closed", "refused", "failed", "shutdown"])

interface Entry {
  owner: MuxFlowOwner
  channel: MuxChannelName
  board: string
  application: string
  /** On a connection that resumes a session: the peer has not said yet that it has the flow still. */
  unconfirmed?: boolean
}

/** Reads and writes mux frames; hand it every chunk after the preface. */
export class MuxConnection {
  readonly #options: MuxConnectionOptions
  readonly #maxAgeMs: Readonly<Record<MuxChannelName, number>>
  readonly #taggedAgeMs: number
  readonly #flows = new Map<number, Entry>()
  readonly #outbox: Outbox
  readonly #data: FairQueue
  readonly #tagged: FairQueue
  readonly #timer: Timer
  /** Undefined while a session waits for its next connection. */
  #port: TcpPort | undefined
  #decoder = new MuxDecoder()
  #heartbeat: Heartbeat
  #nextFlow = 1
  #over = false
  #pingedAt: number
  #rttMs: number | undefined
  #worstAge = { ms: 0, at: Number.NEGATIVE_INFINITY }

  constructor(options: MuxConnectionOptions) {
    this.#options = options
    const { clock, port, drops, peer, taggedQueue = TAGGED_QUEUE } = options
    this.#port = port
    this.#maxAgeMs = options.maxAgeMs ?? MAX_AGE_MS
    this.#taggedAgeMs = taggedQueue.ageMs
    this.#heartbeat = new Heartbeat(clock.now(), options.heartbeat)
    this.#pingedAt = clock.now()
    const common = { clock, drops, where: peer }
    this.#data = new FairQueue({ ...common, limits: DATA_QUEUE, reasons: { full: "queue-full", old: "queue-old" } })
    const { datagrams: frames, bytes } = taggedQueue
    const limits = { frames, bytes, totalBytes: bytes }
    this.#tagged = new FairQueue({ ...common, limits, reasons: { full: "tag-overflow", old: "tag-overflow" } })
    this.#outbox = new Outbox({
      write: (chunk) => this.#port?.write(chunk) ?? 0,
      onOverflow: () => this.#dead("it has stopped reading"),
      onRoom: () => this.#pump(),
      ...common,
    })
    this.#timer = every(clock, CHECK_MS, () => this.#check())
  }

  /** Flows open now. */
  get flowCount(): number {
    return this.#flows.size
  }

  /** Bytes of a frame that has not come whole. */
  get pendingBytes(): number {
    return this.#decoder.pendingBytes
  }

  /** Bytes waiting for the socket. */
  get queuedBytes(): number {
    return this.#outbox.bytes + this.#data.bytes + this.#tagged.bytes
  }

  get measures(): MuxMeasures {
    const worst = this.#worstAge
    const recent = this.#options.clock.now() - worst.at < AGE_WINDOW_MS
    return { rttMs: this.#rttMs, queuedBytes: this.queuedBytes, queueAgeMs: recent ? worst.ms : 0 }
  }

  /** Opens a flow toward the peer. */
  open(channel: MuxChannelName, board: string, application: string, owner: MuxFlowOwner): MuxFlow {
    const id = this.#nextFlow++
    this.#flows.set(id, { owner, channel, board, application })
    // On a connection to come it is opened with all others.
    if (this.#port) this.#outbox.pushFirst(encodeOpen(id, channel, board, application))
    return this.#flow(id, channel)
  }

  /**
   * The connection is gone and the session is not: flows stay, what they send waits as long as it is worth. What was
   * under way is lost, as datagrams are.
   */
  detach(): void {
    this.#port = undefined
    this.#dropUnfinished()
    this.#outbox.suspend()
  }

  /** The session goes on over `port`, another connection. A client opens its flows again, which tells what it still has. */
  attach(port: TcpPort): void {
    const { clock, heartbeat, onOpen } = this.#options
    this.detach()
    this.#port = port
    this.#heartbeat = new Heartbeat(clock.now(), heartbeat)
    this.#pingedAt = clock.now()
    // What waits for a flow that has ended here, its end included, would meet the flow that the peer opens anew.
    for (const queue of [this.#data, this.#tagged]) queue.retain((id) => this.#flows.has(id))
    const opens: Uint8Array[] = []
    for (const [id, entry] of this.#flows) {
      if (onOpen) entry.unconfirmed = true
      else opens.push(encodeOpen(id, entry.channel, entry.board, entry.application))
    }
    this.#outbox.resume(onOpen ? [] : [...opens, encodeResumed()])
  }

  /** The way to the peer may have changed: asks at once whether it is there, with little patience. */
  probe(): void {
    if (!this.#port || this.#over) return
    this.#heartbeat.probe(this.#options.clock.now())
    this.#check()
  }

  /** Tells the peer that the session is over, and why; the caller then closes. */
  bye(reason: CloseReason): void {
    if (!this.#port || this.#over) return
    this.#control(encodeClose(0, reason.code, reason.detail))
    this.#outbox.flush()
  }

  /** Tells the peer some news. Older peers skip what they do not know. */
  notify({ kind, board, payload }: Notice): void {
    this.#outbox.push(encodeNotice(kind, board, payload), NOTICE_MAX_AGE_MS)
  }

  /** Bytes from the socket. */
  received(chunk: Uint8Array): void {
    if (this.#over) return
    this.#heartbeat.received(this.#options.clock.now())
    const decoder = this.#decoder
    const error = decoder.push(chunk, (frame) => {
      // A frame before may have ended all, or this connection.
      if (this.#over || this.#decoder !== decoder) return
      this.#options.onFrame?.()
      this.#frame(frame)
    })
    if (!error || this.#decoder !== decoder) return
    const tooLong = error.code === "frame-too-long"
    this.#options.drops.drop(tooLong ? "oversize" : "malformed", this.#options.peer)
    const detail = tooLong ? `frame of ${error.length} bytes, the limit is ${error.limit}` : error.detail
    this.#dead(`it does not keep to the protocol: ${detail}`)
  }

  /** The socket takes bytes again. */
  drained(): void {
    this.#outbox.drained()
  }

  /** Ends all flows with `reason`; the socket is the owner's to close. */
  close(reason: CloseReason): void {
    if (this.#over) return
    this.#over = true
    this.#timer.cancel()
    this.#dropUnfinished()
    this.#outbox.close()
    this.#data.clear("closed")
    this.#tagged.clear()
    const flows = [...this.#flows.values()]
    this.#flows.clear()
    for (const { owner } of flows) owner.onClose(reason)
  }

  #flow(id: number, channel: MuxChannelName): MuxFlow {
    const maxAgeMs = this.#maxAgeMs[channel]
    return {
      send: (datagram) => {
        if (!this.#flows.has(id)) this.#options.drops.drop("closed", this.#options.peer)
        else if (datagram.length > MUX_MAX_PAYLOAD) this.#options.drops.drop("oversize", this.#options.peer)
        else {
          const now = this.#options.clock.now()
          // A client's datagrams want answers; a boot has none, but must not wait 30 s to learn that nobody is there.
          if (this.#options.onOpen === undefined) this.#heartbeat.expecting(now)
          const frame = encodeData(id, datagram)
          if (this.#data.length === 0 && this.#outbox.bytes < AHEAD_BYTES)
            this.#outbox.push(frame, maxAgeMs, false, now)
          else this.#data.push(id, frame, maxAgeMs)
        }
      },
      sendTagged: (tagged) => {
        const { drops, peer } = this.#options
        if (!this.#flows.has(id)) drops.drop("closed", peer)
        else if (tagged.datagram.length > MUX_MAX_PAYLOAD - MUX_TAGGED_HEADER) drops.drop("oversize", peer)
        else {
          this.#tagged.push(id, encodeTagged(id, tagged), this.#taggedAgeMs)
          this.#pump()
        }
      },
      close: (reason) => {
        if (!this.#flows.delete(id) || this.#over || !this.#port) return
        const frame = encodeClose(id, reason.code, reason.detail)
        // Behind what the flow has sent.
        if (this.#data.has(id)) this.#data.push(id, frame, Number.POSITIVE_INFINITY, true)
        else this.#control(frame)
      },
    }
  }

  #frame(frame: MuxFrame): void {
    switch (frame.type) {
      case "data": {
        const entry = this.#flows.get(frame.flow)
        if (entry) entry.owner.onDatagram(frame.datagram)
        else this.#options.drops.drop("closed", this.#options.peer)
        return
      }
      case "tagged": {
        const entry = this.#flows.get(frame.flow)
        if (entry?.owner.onTagged) entry.owner.onTagged(frame.tagged)
        else this.#options.drops.drop("tag-stray", this.#options.peer)
        return
      }
      case "open":
        this.#opened(frame)
        return
      case "close": {
        const entry = this.#flows.get(frame.flow)
        this.#flows.delete(frame.flow)
        const said = closeCodes.has(frame.code) ? (frame.code as CloseCode) : "peer-closed"
        const reason: CloseReason = { code: said === "closed" ? "peer-closed" : said, detail: frame.detail }
        if (frame.flow === 0) this.#options.onBye?.(reason)
        else entry?.owner.onClose(reason)
        return
      }
      case "ping":
        this.#outbox.pushFirst(encodePing("pong", frame.payload))
        return
      case "notice":
        this.#options.onNotice?.(frame)
        return
      case "pong":
        this.#rttMs = this.#options.clock.now() - this.#pingedAt
        return
      case "resumed":
        this.#endUnconfirmed()
        return
      case "unknown":
        return
    }
  }

  #opened(frame: Extract<MuxFrame, { type: "open" }>): void {
    const { onOpen } = this.#options
    if (!onOpen) {
      this.#dead("it opened a flow, which only a client may")
      return
    }
    if (frame.flow === 0) {
      this.#dead("it opened flow 0, which stands for the whole session")
      return
    }
    const known = this.#flows.get(frame.flow)
    if (known?.unconfirmed) {
      known.unconfirmed = false
      return
    }
    if (known) {
      this.#dead(`it opened flow ${frame.flow} twice`)
      return
    }
    if (this.#flows.size >= MAX_FLOWS_PER_CONNECTION) {
      this.#control(encodeClose(frame.flow, "refused", "too many flows on one connection"))
      return
    }
    // The flow must be known before its owner is asked: an owner may send at once.
    const { channel, board, application } = frame
    const entry: Entry = { owner: { onDatagram() {}, onClose() {} }, channel, board, application }
    this.#flows.set(frame.flow, entry)
    const owner = onOpen(this.#flow(frame.flow, frame.channel), frame)
    if (owner) entry.owner = owner
    else if (this.#flows.delete(frame.flow)) this.#control(encodeClose(frame.flow, "refused"))
  }

  /** What the peer did not open again has ended on its side. */
  #endUnconfirmed(): void {
    for (const [id, entry] of [...this.#flows]) {
      if (!entry.unconfirmed) continue
      this.#flows.delete(id)
      entry.owner.onClose({ code: "peer-closed" })
    }
  }

  #dropUnfinished(): void {
    if (this.#decoder.pendingBytes > 0) this.#options.drops.drop("truncated", this.#options.peer)
    this.#decoder = new MuxDecoder()
  }

  #check(): void {
    if (!this.#port) return
    const now = this.#options.clock.now()
    const { pingEveryMs = Number.POSITIVE_INFINITY } = this.#options
    switch (this.#heartbeat.check(now)) {
      case "ping":
        this.#ping(now)
        return
      case "dead":
        this.#dead("nothing heard from it")
        return
      case "wait":
        if (now - this.#pingedAt >= pingEveryMs) this.#ping(now)
        return
    }
  }

  #ping(now: number): void {
    this.#pingedAt = now
    this.#outbox.pushFirst(encodePing("ping", new Uint8Array(0)))
  }

  /** Flows' own datagrams first: their programs wait for answers. */
  #pump(): void {
    // After every datagram that had the connection to itself.
    if (this.#data.length === 0 && this.#tagged.length === 0) return
    const now = this.#options.clock.now()
    for (const queue of [this.#data, this.#tagged]) {
      while (queue.length > 0 && this.#outbox.bytes < AHEAD_BYTES) {
        const next = queue.take()
        if (!next) break
        this.#noteAge(now - next.since, now)
        this.#outbox.push(next.frame, next.staleAt - now, next.control)
      }
    }
  }

  #noteAge(ms: number, now: number): void {
    if (ms >= this.#worstAge.ms || now - this.#worstAge.at >= AGE_WINDOW_MS) this.#worstAge = { ms, at: now }
  }

  #control(frame: Uint8Array): void {
    this.#outbox.push(frame, Number.POSITIVE_INFINITY, true)
  }

  #dead(detail: string): void {
    if (!this.#over) this.#options.onDead(detail)
  }
}
