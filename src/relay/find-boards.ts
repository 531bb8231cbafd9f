/**
 * Asks a booted machine for the addresses of its boards: its size, then INFO of every chip that may have Ethernet.
 * Source of the places: three SpiNN-5 boards tile 12 x 12 chips, wherever the machine was booted from (wire §3.6, rig's
 * spinn5_eth_coords).
 */
import { Command, decodeScpReply, encodeScpRequest, Result, type ScpReply } from "../protocol/scp.ts"
import { monitorHeader } from "../protocol/sdp.ts"
import type { Clock } from "../transport/clock.ts"
import type { Link } from "../transport/link.ts"
import { MAX_BOARDS } from "./board-list.ts"

/** How long an answer is waited for, milliseconds: as long as rig waits. */
export const ANSWER_MS = 500
/** Times that each question is asked. Asking twice does no harm. */
export const TRIES = 3

/** sv.p2p_dims: width << 8 | height. */
const SV_P2P_DIMS = 0xf500_7f02
/** READ by half-words. */
const HALF_WORDS = 1
/** Side of the square of three boards, and their Ethernet chips in it. */
const TRIAD = 12
const TRIAD_ETHERNETS = [
  [0, 0],
  [8, 4],
  [4, 8],
] as const
/** INFO's first word, bit 25: Ethernet is up. */
const ETHERNET_UP = 0x0200_0000
const INFO_IP = 32
const INFO_BYTES = 36

/** Chips of a machine of `width` by `height` chips that may have Ethernet, at most MAX_BOARDS. */
export function ethernetPlaces(width: number, height: number): { x: number; y: number }[] {
  const places: { x: number; y: number }[] = []
  for (let left = 0; left < width; left += TRIAD) {
    for (let bottom = 0; bottom < height; bottom += TRIAD) {
      for (const [x, y] of TRIAD_ETHERNETS) {
        if (left + x < width && bottom + y < height) places.push({ x: left + x, y: bottom + y })
      }
    }
  }
  return places.slice(0, MAX_BOARDS)
}

/**
 * The boards' IPv4 addresses, the one that was booted from first; undefined where nobody answers or the machine is still
 * starting. One question at a time, on a link of its own, which is closed. Never rejects.
 */
export async function findBoards(link: Link, clock: Clock): Promise<string[] | undefined> {
  const asker = new Asker(link, clock)
  try {
    const dims = await asker.ask(Command.READ, 255, 255, SV_P2P_DIMS, 2, HALF_WORDS)
    const [height = 0, width = 0] = dims?.body ?? []
    if (width === 0 || height === 0) return undefined
    const found = new Set<string>()
    for (const { x, y } of ethernetPlaces(width, height)) {
      const address = ethernetAddress(await asker.ask(Command.INFO, x, y))
      if (address !== undefined) found.add(address)
    }
    return [...found]
  } finally {
    link.close()
  }
}

function ethernetAddress(info: ScpReply | undefined): string | undefined {
  if (!info || info.body.length < INFO_BYTES) return undefined
  const view = new DataView(info.body.buffer, info.body.byteOffset, info.body.byteLength)
  const octets = info.body.subarray(INFO_IP, INFO_IP + 4)
  if ((view.getUint32(0, true) & ETHERNET_UP) === 0 || octets.every((octet) => octet === 0)) return undefined
  return octets.join(".")
}

/** One question at a time. */
class Asker {
  #sequence = 0
  #waiting: { readonly sequence: number; readonly resolve: (reply: ScpReply | undefined) => void } | undefined

  constructor(
    private readonly link: Link,
    private readonly clock: Clock,
  ) {
    link.onDatagram = (datagram) => {
      const reply = decodeScpReply(datagram)
      if (reply && reply.sequence === this.#waiting?.sequence) this.#waiting.resolve(reply)
    }
    link.onClose = () => this.#waiting?.resolve(undefined)
  }

  /** The answer, or undefined for an error and for none at all. */
  async ask(command: number, destX: number, destY: number, ...args: number[]): Promise<ScpReply | undefined> {
    const [arg1 = 0, arg2 = 0, arg3 = 0] = args
    const sdp = monitorHeader(destX, destY)
    for (let tries = 0; tries < TRIES; tries++) {
      const sequence = ++this.#sequence
      const data = new Uint8Array(0)
      const reply = await this.#once(sequence, encodeScpRequest({ sdp, command, sequence, arg1, arg2, arg3, data }))
      if (reply) return reply.result === Result.OK ? reply : undefined
    }
    return undefined
  }

  #once(sequence: number, request: Uint8Array): Promise<ScpReply | undefined> {
    return new Promise((resolve) => {
      const timer = this.clock.after(ANSWER_MS, () => answered(undefined))
      const answered = (reply: ScpReply | undefined): void => {
        timer.cancel()
        this.#waiting = undefined
        resolve(reply)
      }
      this.#waiting = { sequence, resolve: answered }
      this.link.send(request)
    })
  }
}
