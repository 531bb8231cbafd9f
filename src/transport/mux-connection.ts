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
  encodeTagged,
  MUX_MAX_PAYLOAD,
  MUX_TAGGED_HEADER,
  type MuxChannelName,
  MuxDecoder,
  type MuxFrame,
  type TaggedDatagram,
} from "../protocol/mux.ts"
import { type Clock, every, type Timer } from "./clock.ts"
import { Heartbeat, type HeartbeatTimes } from "./heartbeat.ts"
import type { CloseCode, CloseReason } from "./link.ts"
import { Outbox } from "./outbox.ts"
import { TAGGED_QUEUE, TaggedQueue, type TaggedQueueLimits } from "./tagged-queue.ts"
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
  heartbeat?: HeartbeatTimes
  taggedQueue?: TaggedQueueLimits
}

/** How long a datagram may wait for the connection: SCP clients ask again after 500 ms, a boot is worth finishing. */
export const MAX_AGE_MS: Record<MuxChannelName, number> = { scp: 400, boot: 10_000 }
/** Flows that one peer may have open at once. */
export const MAX_FLOWS_PER_CONNECTION = 1024
/** News is worth its while a little longer than a beacon's period of 4 s. */
const NOTICE_MAX_AGE_MS = 5_000
const CHECK_MS = 500
/** Tagged datagrams are handed to the outbox while it holds less: enough for one write, little for SCP to wait behind. */
const TAGGED_AHEAD_BYTES = 64 << 10
const closeCodes = new Set<string>(["closed", "idle", "evicted", "peer-closed", "refused", "failed", "shutdown"])

interface Entry {
  owner: MuxFlowOwner
  channel: MuxChannelName
}

/** Reads and writes mux frames; hand it every chunk after the preface. */
export class MuxConnection {
  readonly #options: MuxConnectionOptions
  readonly #decoder = new MuxDecoder()
  readonly #flows = new Map<number, Entry>()
  readonly #heartbeat: Heartbeat
  readonly #outbox: Outbox
  readonly #tagged: TaggedQueue
  readonly #timer: Timer
  #nextFlow = 1
  #over = false

  constructor(options: MuxConnectionOptions) {
    this.#options = options
    const { clock, port, drops, peer } = options
    this.#heartbeat = new Heartbeat(clock.now(), options.heartbeat)
    this.#tagged = new TaggedQueue(options.taggedQueue ?? TAGGED_QUEUE, clock, drops, peer)
    this.#outbox = new Outbox({
      write: (bytes) => port.write(bytes),
      onOverflow: () => this.#dead("it has stopped reading"),
      onRoom: () => this.#pumpTagged(),
      clock,
      drops,
      where: peer,
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
    return this.#outbox.bytes
  }

  /** Opens a flow toward the peer. */
  open(channel: MuxChannelName, board: string, application: string, owner: MuxFlowOwner): MuxFlow {
    const id = this.#nextFlow++
    this.#flows.set(id, { owner, channel })
    this.#control(encodeOpen(id, channel, board, application))
    return this.#flow(id, channel)
  }

  /** Tells the peer some news. Older peers skip what they do not know. */
  notify({ kind, board, payload }: Notice): void {
    this.#outbox.push(encodeNotice(kind, board, payload), NOTICE_MAX_AGE_MS)
  }

  /** Bytes from the socket. */
  received(chunk: Uint8Array): void {
    if (this.#over) return
    this.#heartbeat.received(this.#options.clock.now())
    const error = this.#decoder.push(chunk, (frame) => {
      if (this.#over) return
      this.#options.onFrame?.()
      this.#frame(frame)
    })
    if (!error) return
    const detail =
      error.code === "frame-too-long" ? `frame of ${error.length} bytes, the limit is ${error.limit}` : error.detail
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
    this.#outbox.close()
    this.#tagged.clear()
    const flows = [...this.#flows.values()]
    this.#flows.clear()
    for (const { owner } of flows) owner.onClose(reason)
  }

  #flow(id: number, channel: MuxChannelName): MuxFlow {
    const maxAgeMs = MAX_AGE_MS[channel]
    return {
      send: (datagram) => {
        if (!this.#flows.has(id)) this.#options.drops.drop("closed", this.#options.peer)
        else if (datagram.length > MUX_MAX_PAYLOAD) this.#options.drops.drop("oversize", this.#options.peer)
        else {
          // A client's datagrams want answers; a boot has none, but must not wait 30 s to learn that nobody is there.
          if (this.#options.onOpen === undefined) this.#heartbeat.expecting(this.#options.clock.now())
          this.#outbox.push(encodeData(id, datagram), maxAgeMs)
        }
      },
      sendTagged: (tagged) => {
        const { drops, peer } = this.#options
        if (!this.#flows.has(id)) drops.drop("closed", peer)
        else if (tagged.datagram.length > MUX_MAX_PAYLOAD - MUX_TAGGED_HEADER) drops.drop("oversize", peer)
        else {
          this.#tagged.push(encodeTagged(id, tagged))
          this.#pumpTagged()
        }
      },
      close: (reason) => {
        if (!this.#flows.delete(id) || this.#over) return
        this.#control(encodeClose(id, reason.code, reason.detail))
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
        const code = closeCodes.has(frame.code) ? (frame.code as CloseCode) : "peer-closed"
        entry?.owner.onClose({ code: code === "closed" ? "peer-closed" : code, detail: frame.detail })
        return
      }
      case "ping":
        this.#control(encodePing("pong", frame.payload))
        return
      case "notice":
        this.#options.onNotice?.(frame)
        return
      case "pong":
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
    if (this.#flows.has(frame.flow)) {
      this.#dead(`it opened flow ${frame.flow} twice`)
      return
    }
    if (this.#flows.size >= MAX_FLOWS_PER_CONNECTION) {
      this.#control(encodeClose(frame.flow, "refused", "too many flows on one connection"))
      return
    }
    // The flow must be known before its owner is asked: an owner may send at once.
    const entry: Entry = { owner: { onDatagram() {}, onClose() {} }, channel: frame.channel }
    this.#flows.set(frame.flow, entry)
    const owner = onOpen(this.#flow(frame.flow, frame.channel), frame)
    if (owner) entry.owner = owner
    else if (this.#flows.delete(frame.flow)) this.#control(encodeClose(frame.flow, "refused"))
  }

  #check(): void {
    switch (this.#heartbeat.check(this.#options.clock.now())) {
      case "ping":
        this.#control(encodePing("ping", new Uint8Array(0)))
        return
      case "dead":
        this.#dead("nothing heard from it")
        return
      case "wait":
        return
    }
  }

  #pumpTagged(): void {
    while (this.#tagged.length > 0 && this.#outbox.bytes < TAGGED_AHEAD_BYTES) {
      const frame = this.#tagged.take()
      if (!frame) return
      this.#outbox.push(frame)
    }
  }

  #control(frame: Uint8Array): void {
    this.#outbox.push(frame, Number.POSITIVE_INFINITY, true)
  }

  #dead(detail: string): void {
    if (!this.#over) this.#options.onDead(detail)
  }
}
