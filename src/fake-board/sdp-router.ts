/**
 * What becomes of SDP on a booted machine: in by Ethernet, from chip to chip, to monitors and application cores, and
 * out by IP tag. Source: spinnaker_tools 4.0.0, udp_pkt, proc_route_msg, eth_send_msg.
 */
import { decodeScpRequest, encodeScpReply, Result, SCP_REPLY_BODY_OFFSET } from "../protocol/scp.ts"
import {
  encodeSdp,
  readSdpHeader,
  SDP_HOST_PORT_CPU,
  SDP_MAX_DATAGRAM,
  SDP_MAX_PAYLOAD,
  SDP_PAYLOAD_OFFSET,
  SDP_TAG_NONE,
  SdpFlag,
  type SdpHeader,
} from "../protocol/sdp.ts"
import type { Address } from "../transport/address.ts"
import type { Chip } from "./chip.ts"
import { type Answer, fail } from "./command-call.ts"
import { CoreState } from "./core-state.ts"
import type { Machine } from "./machine.ts"
import { P2P_NONE } from "./p2p-routes.ts"
import { sarkAnswer } from "./sark.ts"
import { scampCommands, unknownCommand } from "./scamp-commands.ts"
import { TAG_COUNT, TagFlag } from "./tag-table.ts"

/** A message on its way: a datagram (pad, header, payload) whose header bytes may be stale, and the header that counts. */
interface Message {
  readonly header: SdpHeader
  readonly datagram: Uint8Array
  /** Who sent the datagram that brought it. */
  readonly from: Address | undefined
  /** IP address that a command sees; lost on the way over P2P. */
  readonly sourceHost: string | undefined
  /** Cores that answered each other so far. */
  readonly hops: number
}

/** Cores that keep answering each other's answers (SARK answers everything) are cut off after so many. */
const HOP_LIMIT = 8

/** Port and core byte of an SDP header half. */
const portCpu = (port: number, cpu: number): number => (port << 5) | cpu

/** The routing of one machine. */
export class SdpRouter {
  /** Hops behind the message that a program is looking at, which count for what it sends. */
  #hopsNow = 0

  constructor(private readonly machine: Machine) {}

  /** A datagram at the SDP port of a board; whatever it holds, nothing is thrown. */
  receive(board: number, from: Address, datagram: Uint8Array): void {
    const chip = this.machine.ethernetChip(board)
    const { outside } = this.machine
    if (!chip) {
      outside.lost("no-listener")
      return
    }
    if (datagram.length < SDP_PAYLOAD_OFFSET || datagram.length > SDP_MAX_DATAGRAM) {
      outside.lost("length")
      return
    }
    const header = readSdpHeader(datagram)
    // The source chip is overwritten with the Ethernet chip's own; port and core stay as sent.
    header.srcX = chip.x
    header.srcY = chip.y
    if (header.flags & SdpFlag.replyExpected) {
      const now = outside.clock.now()
      if (header.tag === SDP_TAG_NONE) {
        const lent = chip.tags.lend(from.host, from.port, now)
        if (lent === undefined) {
          outside.lost("no-tag")
          return
        }
        header.tag = lent
      } else if (header.tag >= TAG_COUNT || chip.tags.at(header.tag, now).flags === 0) {
        outside.lost("bad-tag")
        return
      }
    }
    this.#route(chip, { header, datagram, from, sourceHost: from.host, hops: 0 })
  }

  /** A datagram at another UDP port of a board: payload for whatever a reverse IP tag leads to. */
  receiveReverse(board: number, rxPort: number, from: Address, payload: Uint8Array): void {
    const chip = this.machine.ethernetChip(board)
    const { outside } = this.machine
    if (payload.length > SDP_MAX_PAYLOAD) {
      outside.lost("length")
      return
    }
    const found = chip?.tags.reverse(rxPort, outside.clock.now())
    if (!chip || !found) {
      outside.lost("no-listener")
      return
    }
    // The way back is to whoever sent last.
    found.tag.host = from.host
    found.tag.txPort = from.port
    const { destAddress, destPort } = found.tag
    const header: SdpHeader = {
      flags: SdpFlag.noReply,
      tag: found.number,
      destPort: destPort >> 5,
      destCpu: destPort & 31,
      srcPort: SDP_HOST_PORT_CPU >> 5,
      srcCpu: SDP_HOST_PORT_CPU & 31,
      destX: destAddress >> 8,
      destY: destAddress & 0xff,
      srcX: chip.x,
      srcY: chip.y,
    }
    this.#route(chip, { header, datagram: encodeSdp(header, payload), from, sourceHost: undefined, hops: 0 })
  }

  /** A message that a core of `chip` sends. */
  send(chip: Chip, header: SdpHeader, payload: Uint8Array): void {
    const { outside } = this.machine
    if (payload.length > SDP_MAX_PAYLOAD) outside.lost("length")
    else if (this.#hopsNow > HOP_LIMIT) outside.lost("loop")
    else {
      const datagram = encodeSdp(header, payload)
      this.#route(chip, { header, datagram, from: undefined, sourceHost: undefined, hops: this.#hopsNow })
    }
  }

  #route(at: Chip, message: Message): void {
    const { header } = message
    const { root } = this.machine
    if (header.destX === 255 && header.destY === 255) {
      header.destX = root.x
      header.destY = root.y
    }
    if (header.srcX === 255 && header.srcY === 255) {
      header.srcX = root.x
      header.srcY = root.y
    }
    const here = header.destX === at.x && header.destY === at.y
    const fromDestination = header.destX === header.srcX && header.destY === header.srcY
    if (!here && !fromDestination && (header.flags & SdpFlag.noRoute) === 0) {
      this.#routeAway(at, message)
      return
    }
    const { destCpu, destPort } = header
    if (portCpu(destPort, destCpu) === SDP_HOST_PORT_CPU) this.#leave(at, header.tag, message)
    else if (destCpu >= at.cores) this.#answer(at, message, fail(Result.CPU))
    else if (destCpu !== 0) this.#toApplication(at, message)
    else if (destPort !== 0) this.#answer(at, message, fail(Result.PORT))
    else this.#execute(at, message)
  }

  #routeAway(at: Chip, message: Message): void {
    const { destX, destY } = message.header
    if ((at.routes.get((destX << 8) | destY) ?? P2P_NONE) === P2P_NONE) {
      this.#answer(at, message, fail(Result.ROUTE))
      return
    }
    const chip = this.machine.chipAt(destX, destY)
    // The table says that it is there, but nobody acknowledges: its board lost power after the boot.
    if (!chip) {
      this.#answer(at, message, fail(Result.P2P_NOREPLY))
      return
    }
    this.#route(chip, { ...message, sourceHost: undefined })
  }

  #execute(chip: Chip, message: Message): void {
    const request = decodeScpRequest(message.datagram)
    if (!request) {
      this.#answer(chip, message, fail(Result.LEN))
      return
    }
    // What the command sees is the header as routed: tag and source were rewritten.
    request.sdp = message.header
    const handler = scampCommands.get(request.command) ?? unknownCommand
    const answer = handler({ machine: this.machine, chip, request, sourceHost: message.sourceHost })
    const { command, sequence } = request
    const execution = { command, sequence, result: answer.result, x: chip.x, y: chip.y, cpu: 0 }
    this.machine.outside.executed(execution, message.from)
    if (answer.afterMs === undefined) this.#answer(chip, message, answer)
    else {
      this.machine.outside.clock.after(answer.afterMs, () => {
        // The chip may have lost its power, or be another after a new boot.
        if (this.machine.chipAt(chip.x, chip.y) !== chip) return
        answer.whenDone?.()
        this.#answer(chip, message, answer)
      })
    }
  }

  /** The monitor answers: bit 7 cleared, sides swapped, and only if an answer was wanted. */
  #answer(at: Chip, message: Message, answer: Answer): void {
    if ((message.header.flags & SdpFlag.replyExpected) === 0) return
    this.#turnRound(at, message, answer, message.header.flags & ~SdpFlag.replyExpected)
  }

  #turnRound(at: Chip, message: Message, answer: Answer, flags: number): void {
    const { header } = message
    const turned: SdpHeader = {
      flags,
      tag: header.tag,
      destPort: header.srcPort,
      destCpu: header.srcCpu,
      srcPort: header.destPort,
      srcCpu: header.destCpu,
      destX: header.srcX,
      destY: header.srcY,
      srcX: header.destX,
      srcY: header.destY,
    }
    const sequence = sequenceOf(message.datagram)
    const datagram = encodeScpReply({ sdp: turned, result: answer.result, sequence, body: answer.body })
    const hops = message.hops + 1
    if (hops > HOP_LIMIT) this.machine.outside.lost("loop")
    else this.#route(at, { header: turned, datagram, from: message.from, sourceHost: undefined, hops })
  }

  #toApplication(chip: Chip, message: Message): void {
    const { header, datagram } = message
    const core = header.destCpu
    if (!chip.leaveMessage(core)) {
      this.#answer(chip, message, fail(Result.TIMEOUT))
      return
    }
    const program = chip.programs.get(core)
    if (chip.coreState(core) < CoreState.initialising) this.machine.outside.lost("no-listener")
    else if (header.destPort === 0) {
      const { answer, command } = sarkAnswer(this.machine, chip, core, datagram)
      const execution = {
        command,
        sequence: sequenceOf(datagram),
        result: answer.result,
        x: chip.x,
        y: chip.y,
        cpu: core,
      }
      this.machine.outside.executed(execution, message.from)
      // SARK turns the header round as it is: bit 7 stays, and it answers where no answer was wanted.
      this.#turnRound(chip, message, answer, header.flags)
    } else if (program) {
      const before = this.#hopsNow
      this.#hopsNow = message.hops + 1
      program.receive(header, datagram.subarray(SDP_PAYLOAD_OFFSET))
      this.#hopsNow = before
    } else this.machine.outside.lost("no-listener")
  }

  /** Out by Ethernet through tag `number`. Chips without Ethernet have tags too, but they lead nowhere. */
  #leave(chip: Chip, number: number, { header, datagram }: Message): void {
    const { outside } = this.machine
    const tag = number < TAG_COUNT ? chip.tags.at(number, outside.clock.now()) : undefined
    if (!tag || (tag.flags & TagFlag.valid) === 0 || chip.host === undefined) {
      outside.lost("bad-tag")
      return
    }
    const strip = (tag.flags & TagFlag.strip) !== 0
    const to = { host: tag.host, port: tag.txPort }
    const fromPort = tag.flags & TagFlag.reverse ? tag.rxPort : undefined
    chip.tags.used(tag)
    const bytes = strip
      ? datagram.subarray(SDP_PAYLOAD_OFFSET)
      : encodeSdp(header, datagram.subarray(SDP_PAYLOAD_OFFSET))
    outside.send(chip.board, to, bytes, fromPort)
  }
}

/** The sequence number to echo; a message too short to have one leaves what the buffer held: zero here. */
function sequenceOf(datagram: Uint8Array): number {
  return datagram.length >= SCP_REPLY_BODY_OFFSET ? datagram[12]! | (datagram[13]! << 8) : 0
}
