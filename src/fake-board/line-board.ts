/** A fake board at the end of memory lines: what the long fault tests run a relay against, on a fake clock. */
import { type Address, formatAddress } from "../transport/address.ts"
import type { Link } from "../transport/link.ts"
import { type LineContext, MemoryListener } from "../transport/memory.ts"
import { FakeBoard, type FakeBoardOptions } from "./board.ts"

/** A fake board, and the two listeners that reach it: `scp.dial(...)` and `boot.dial(...)`. */
export class LineBoard {
  readonly scp: MemoryListener
  readonly boot: MemoryListener
  readonly board: FakeBoard
  readonly #links = new Map<string, Link>()
  #next = 0

  constructor(context: LineContext, options: Omit<FakeBoardOptions, "clock" | "send"> = {}) {
    this.scp = new MemoryListener("board-scp", context)
    this.boot = new MemoryListener("board-boot", context)
    this.board = new FakeBoard({
      helloBroadcast: undefined,
      ...options,
      clock: context.clock,
      // Datagrams to hosts that no line leads to (hellos, tags that point elsewhere) are lost, as on a network.
      send: (_from, to, datagram) => this.#links.get(formatAddress(to))?.send(datagram),
    })
    this.scp.onLink = (link) => this.#attach(link, this.board.scp)
    this.boot.onLink = (link) => this.#attach(link, this.board.boot)
  }

  /** Every line gets a sender address of its own, as every socket has one. */
  #attach(link: Link, to: Address): void {
    const number = this.#next++
    const from: Address = { host: `127.1.${(number >> 8) & 0xff}.${number & 0xff}`, port: 40_000 }
    this.#links.set(formatAddress(from), link)
    link.onDatagram = (datagram) => this.board.receive(to, from, datagram)
    link.onClose = () => this.#links.delete(formatAddress(from))
  }
}
