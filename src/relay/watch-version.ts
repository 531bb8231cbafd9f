/** Tells the log which software a board answers with, when it begins to answer and when that changes. */
import { decodeScpReply, Result, SCP_REPLY_BODY_OFFSET } from "../protocol/scp.ts"
import { decodeVersion, describeVersion, isBooting } from "../protocol/version.ts"
import type { Board } from "./board.ts"
import type { Stage } from "./flow.ts"
import { StageLink } from "./stage-link.ts"

/** Shortest and longest reply worth decoding: VER says 12 bytes of numbers and two short texts. */
const MIN_LENGTH = SCP_REPLY_BODY_OFFSET + 13
const MAX_LENGTH = SCP_REPLY_BODY_OFFSET + 76
/** Other replies looked at on each flow: programs ask VER first, and later reads must not be decoded for nothing. */
const OTHERS_LOOKED_AT = 32

/** The stage; what it last said is shared by all flows of the board. */
export function watchVersion(board: Board): Stage {
  let said = ""
  const look = (datagram: Uint8Array): boolean => {
    const reply = decodeScpReply(datagram)
    if (!reply || reply.result !== Result.OK) return false
    const version = decodeVersion(reply)
    if (!version || !/^(SC&MP|SARK|BC&MP)$/.test(version.name)) return false
    const booting = isBooting(version)
    const text = `${describeVersion(version)}${booting ? " (booting)" : ""}`
    if (text === said) return true
    said = text
    board.observer.event({ type: "board-version", board: board.name, version: describeVersion(version), booting })
    return true
  }
  return (link) => {
    let left = OTHERS_LOOKED_AT
    return new (class extends StageLink {
      protected override inward(datagram: Uint8Array): void {
        if (left > 0 && datagram.length >= MIN_LENGTH && datagram.length <= MAX_LENGTH) {
          if (!look(datagram)) left--
        }
        super.inward(datagram)
      }
    })(link, board.observer)
  }
}
