/** A fake machine on a fake clock, and an application that asks it things. */
import { FakeBoard, type FakeBoardOptions } from "../../src/fake-board/board.ts"
import type { BoardEvent } from "../../src/fake-board/events.ts"
import { encodeBootImage } from "../../src/protocol/boot.ts"
import { decodeScpReply, encodeScpRequest, type ScpReply } from "../../src/protocol/scp.ts"
import type { Address } from "../../src/transport/address.ts"
import { FakeClock } from "../support/fake-clock.ts"

/** Where the application's requests come from. */
export const APPLICATION: Address = { host: "127.0.0.1", port: 40_000 }
/** A small image: three blocks. */
export const IMAGE = Uint8Array.from({ length: 2600 }, (_, index) => index * 7)

export interface Sent {
  from: Address
  to: Address
  datagram: Uint8Array
}

export interface AskOptions {
  data?: Uint8Array
  flags?: number
  tag?: number
  dest?: Partial<{ x: number; y: number; cpu: number; port: number }>
  /** SDP port and core byte of the sender; 0xff for hosts. */
  source?: number
  to?: Address
  from?: Address
}

/** The little-endian words at the start of a reply's body. */
export function words(reply: ScpReply | undefined): number[] {
  const body = reply?.body ?? new Uint8Array(0)
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  return Array.from({ length: Math.floor(body.length / 4) }, (_, index) => view.getUint32(index * 4, true))
}

export function setUpBoard(options: Partial<FakeBoardOptions> = {}) {
  const clock = new FakeClock()
  const sent: Sent[] = []
  const events: BoardEvent[] = []
  const board = new FakeBoard({
    clock,
    send: (from, to, datagram) => sent.push({ from, to, datagram }),
    onEvent: (event) => events.push(event),
    ...options,
  })
  let sequence = 0
  /** Sends a request and gives back the replies that came at once. */
  const ask = (command: number, args: readonly number[] = [], more: AskOptions = {}): ScpReply[] => {
    const before = sent.length
    const { x = 255, y = 255, cpu = 0, port = 0 } = more.dest ?? {}
    const [arg1 = 0, arg2 = 0, arg3 = 0] = args
    const source = more.source ?? 0xff
    const sdp = {
      flags: more.flags ?? 0x87,
      tag: more.tag ?? 255,
      destPort: port,
      destCpu: cpu,
      srcPort: source >> 5,
      srcCpu: source & 31,
      destX: x,
      destY: y,
      srcX: 0,
      srcY: 0,
    }
    const data = more.data ?? new Uint8Array(0)
    const request = encodeScpRequest({ sdp, command, sequence: sequence++, arg1, arg2, arg3, data })
    board.receive(more.to ?? board.scp, more.from ?? APPLICATION, request)
    return sent.slice(before).map(({ datagram }) => decodeScpReply(datagram)!)
  }
  const boot = (image = IMAGE, to = board.boot): void => {
    for (const datagram of encodeBootImage(image)) {
      board.receive(to, APPLICATION, datagram)
      clock.advance(10)
    }
  }
  return { clock, sent, events, board, ask, boot }
}
