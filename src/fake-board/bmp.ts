/**
 * The board management processor (BMP) of a fake machine: its own IP address, its own tags, and the boards' power.
 * Source: spinnaker_tools 4.0.0, bmp_net.c; tests/captures/rig-bmp.
 */
import { decodeScpRequest, encodeScpReply, Result, SCP_REPLY_BODY_OFFSET } from "../protocol/scp.ts"
import {
  readSdpHeader,
  SDP_MAX_DATAGRAM,
  SDP_PAYLOAD_OFFSET,
  SDP_TAG_NONE,
  SdpFlag,
  type SdpHeader,
} from "../protocol/sdp.ts"
import type { Address } from "../transport/address.ts"
import type { Clock } from "../transport/clock.ts"
import { type BmpCall, bmpCommands } from "./bmp-commands.ts"
import { type Answer, fail } from "./command-call.ts"
import type { BoardDropReason } from "./events.ts"
import type { Execution } from "./machine.ts"
import { Memory, PageBudget } from "./memory.ts"
import { TAG_COUNT, TagFlag, TagTable } from "./tag-table.ts"

/** How a BMP is set up. */
export interface BmpOptions {
  /** Its IPv4 address. */
  readonly host: string
  /** Milliseconds that a power-on takes for the board that the request is addressed to (its FPGAs are loaded); default 2000. Real ones: 2 to 5 s. */
  readonly powerOnMs?: number
}

/** Default of `powerOnMs`. */
export const DEFAULT_POWER_ON_MS = 2000

/** What a BMP needs from the machine. */
export interface BmpOutside {
  readonly clock: Clock
  send(to: Address, datagram: Uint8Array): void
  /** Switches a board's power; on for one that is on already resets it. */
  power(board: number, on: boolean): void
  executed(execution: Execution, from: Address | undefined): void
  lost(reason: BoardDropReason): void
}

/** Pages that all memories of one BMP may have: 64 MiB. */
const BMP_PAGES = 16_384

/** Memory, LEDs and FPGA registers of one slot. */
export class BmpSlot {
  readonly memory: Memory
  readonly fpgas: readonly [Memory, Memory, Memory]
  readonly flash: Memory
  leds = 0

  constructor(budget: PageBudget) {
    this.memory = new Memory(budget)
    this.fpgas = [new Memory(budget), new Memory(budget), new Memory(budget)]
    this.flash = new Memory(budget)
    this.loadFpgas()
  }

  /** A power-on loads the FPGAs: their registers are new, and each tells its own number. */
  loadFpgas(): void {
    for (const [number, fpga] of this.fpgas.entries()) {
      fpga.clear()
      fpga.writeU32(FPGA_FLAG, number)
    }
  }
}

/** Register whose low two bits are the number of an FPGA that came up. Source: spI/O's register map. */
const FPGA_FLAG = 0x40004

/** Port 7 of board 0: what a BMP writes over the source of every message, so that replies leave by Ethernet. */
const ETHERNET = 7

/** One BMP, in charge of up to 24 boards. */
export class Bmp {
  readonly tags = new TagTable()
  readonly slots: readonly BmpSlot[]
  readonly powerOnMs: number

  constructor(
    options: BmpOptions,
    boards: number,
    readonly address: Address,
    readonly outside: BmpOutside,
  ) {
    const budget = new PageBudget(BMP_PAGES)
    this.slots = Array.from({ length: boards }, () => new BmpSlot(budget))
    this.powerOnMs = options.powerOnMs ?? DEFAULT_POWER_ON_MS
  }

  /** Switches a board's power; on for one that is on already resets it. */
  power(board: number, on: boolean): void {
    if (on) this.slots[board]?.loadFpgas()
    this.outside.power(board, on)
  }

  /** A datagram at the SDP port; any content, never throws. */
  receive(from: Address, datagram: Uint8Array): void {
    const { outside } = this
    if (datagram.length < SDP_PAYLOAD_OFFSET || datagram.length > SDP_MAX_DATAGRAM) {
      outside.lost("length")
      return
    }
    const header = readSdpHeader(datagram)
    if (header.flags & SdpFlag.replyExpected) {
      const now = outside.clock.now()
      if (header.tag === SDP_TAG_NONE) {
        const lent = this.tags.lend(from.host, from.port, now)
        if (lent === undefined) {
          outside.lost("no-tag")
          return
        }
        header.tag = lent
      } else if (header.tag >= TAG_COUNT || this.tags.at(header.tag, now).flags === 0) {
        outside.lost("bad-tag")
        return
      }
    }
    this.#route(header, datagram, from)
  }

  #route(header: SdpHeader, datagram: Uint8Array, from: Address): void {
    const slot = this.slots[header.destCpu]
    // Slots that are empty do not answer on the backplane's CAN bus.
    if (!slot) {
      this.#answer(header, datagram, fail(Result.ROUTE))
      return
    }
    if (header.destPort !== 0) {
      this.#answer(header, datagram, fail(Result.PORT))
      return
    }
    const request = decodeScpRequest(datagram)
    if (!request) {
      this.#answer(header, datagram, fail(Result.LEN))
      return
    }
    request.sdp = header
    const call: BmpCall = { bmp: this, slot, board: header.destCpu, request, sourceHost: from.host }
    const handler = bmpCommands.get(request.command)
    const answer = handler ? handler(call) : fail(Result.CMD)
    const { command, sequence } = request
    this.outside.executed({ command, sequence, result: answer.result, x: 0, y: 0, cpu: header.destCpu }, from)
    if (answer.afterMs === undefined) this.#answer(header, datagram, answer)
    else
      this.outside.clock.after(answer.afterMs, () => {
        answer.whenDone?.()
        this.#answer(header, datagram, answer)
      })
  }

  #answer(header: SdpHeader, datagram: Uint8Array, { result, body }: Answer): void {
    if ((header.flags & SdpFlag.replyExpected) === 0) return
    const tag = this.tags.at(header.tag, this.outside.clock.now())
    if ((tag.flags & TagFlag.valid) === 0) {
      this.outside.lost("bad-tag")
      return
    }
    const to = { host: tag.host, port: tag.txPort }
    this.tags.used(tag)
    const sdp: SdpHeader = {
      flags: header.flags & ~SdpFlag.replyExpected,
      tag: header.tag,
      destPort: ETHERNET,
      destCpu: 0,
      srcPort: header.destPort,
      srcCpu: header.destCpu,
      destX: 0,
      destY: 0,
      srcX: header.destX,
      srcY: header.destY,
    }
    const sequence = datagram.length >= SCP_REPLY_BODY_OFFSET ? datagram[12]! | (datagram[13]! << 8) : 0
    this.outside.send(to, encodeScpReply({ sdp, result, sequence, body }))
  }
}
