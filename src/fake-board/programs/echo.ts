/** Sends every SDP message back by IP tag: the tag that it came with (reverse tags), else option `tag` (default 1). */
import { SDP_TAG_NONE, SdpFlag } from "../../protocol/sdp.ts"
import { TAG_COUNT } from "../tag-table.ts"
import type { ProgramStarter } from "./program.ts"

/** The `echo` program. Option: `tag`. */
export const startEcho: ProgramStarter = (context, options) => ({
  receive(header, payload) {
    const tag = header.tag < TAG_COUNT && header.tag !== SDP_TAG_NONE ? header.tag : (options.get("tag") ?? 1)
    const turned = {
      flags: SdpFlag.noReply,
      srcPort: header.destPort,
      destPort: header.srcPort,
      destCpu: header.srcCpu,
    }
    context.sendByTag(tag, turned, payload)
  },
  stop() {},
})
