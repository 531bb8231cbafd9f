/** Tells the log which software a board answers with, when it begins to answer and when that changes. */
import type { Drops } from "../observe/observer.ts"
import { decodeScpReply, Result, SCP_REPLY_BODY_OFFSET } from "../protocol/scp.ts"
import { decodeVersion, describeVersion, isBooting } from "../protocol/version.ts"
import type { Link } from "../transport/link.ts"
import type { Board } from "./board.ts"
import type { Stage } from "./flow.ts"
import { StageLink } from "./stage-link.ts"

/** Shortest and longest reply worth decoding: VER says 12 bytes of numbers and two short texts. */
const MIN_LENGTH = SCP_REPLY_BODY_OFFSET + 13
const MAX_LENGTH = SCP_REPLY_BODY_OFFSET + 76
/** Other replies looked at on each flow: programs ask VER first, and later reads must not be decoded for nothing. */
const OTHERS_LOOKED_AT = 32

/** What one board last said of itself, for all flows to it. */
class SaidVersion {
  readonly #board: Board
  #said = ""

  constructor(board: Board) {
    this.#board = board
  }

  /** True if `datagram` tells a version, which goes to the log when it is another than the last. */
  look(datagram: Uint8Array): boolean {
    const reply = decodeScpReply(datagram)
    if (!reply || reply.result !== Result.OK) return false
    const version = decodeVersion(reply)
    if (!version || !/^(SC&MP|SARK|BC&MP)$/.test(version.name)) return false
    const booting = isBooting(version)
    const text = `${describeVersion(version)}${booting ? " (booting)" : ""}`
    if (text === this.#said) return true
    this.#said = text
    const { observer, name } = this.#board
    observer.event({ type: "board-version", board: name, version: describeVersion(version), booting })
    return true
  }
}

class WatchingLink extends StageLink {
  readonly #said: SaidVersion
  #left = OTHERS_LOOKED_AT

  constructor(inner: Link, drops: Drops, said: SaidVersion) {
    super(inner, drops)
    this.#said = said
  }

  protected override inward(datagram: Uint8Array): void {
    if (this.#left > 0 && datagram.length >= MIN_LENGTH && datagram.length <= MAX_LENGTH) {
      if (!this.#said.look(datagram)) this.#left--
    }
    this.deliver(datagram)
  }
}

/** The stage; what it last said is shared by all flows of the board. */
export function watchVersion(board: Board): Stage {
  const said = new SaidVersion(board)
  return (link) => new WatchingLink(link, board.observer, said)
}
