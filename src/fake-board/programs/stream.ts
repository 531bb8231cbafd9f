/**
 * Sends EIEIO data messages through an IP tag at a settable rate: 32-bit keys that count up, with the message's number
 * as the timestamp. What live output of a simulation looks like to whoever receives it.
 */
import { EieioType, encodeEieioData } from "../../protocol/eieio.ts"
import { SdpFlag } from "../../protocol/sdp.ts"
import { every } from "../../transport/clock.ts"
import type { ProgramStarter } from "./program.ts"

/** How often messages are sent; those that fall due in between go together, as from a simulation's time step. */
export const STREAM_TICK_MS = 10
/** Messages a second at most; also the most that are made up for after a pause. */
export const STREAM_MAX_RATE = 100_000
/** Keys of a message at most: 8 header bytes and 4 a key within 256. */
export const STREAM_MAX_KEYS = 62

const FIRST_KEY = 0x1000

/** The `stream` program. Options: `tag` (1), `rate` in messages a second (100), `keys` a message (10), `count` of messages (0 = no end). */
export const startStream: ProgramStarter = (context, options) => {
  const tag = options.get("tag") ?? 1
  const rate = Math.min(options.get("rate") ?? 100, STREAM_MAX_RATE)
  const keys = Math.max(1, Math.min(options.get("keys") ?? 10, STREAM_MAX_KEYS))
  const count = options.get("count") || Number.POSITIVE_INFINITY
  const begun = context.clock.now()
  let sent = 0
  const header = { flags: SdpFlag.noReply, srcPort: 1, destPort: 7, destCpu: 31 }
  const timer = every(context.clock, STREAM_TICK_MS, () => {
    const due = Math.min(count, Math.floor(((context.clock.now() - begun) * rate) / 1000))
    // A stalled process would otherwise send seconds of traffic at once.
    sent = Math.max(sent, due - rate)
    while (sent < due) {
      const first = FIRST_KEY + sent * keys
      const elements = Array.from({ length: keys }, (_, index) => ({ key: (first + index) >>> 0 }))
      const message = {
        kind: "data",
        type: EieioType.key32,
        tag: 0,
        timestamps: true,
        payloadBase: sent >>> 0,
        elements,
      } as const
      context.sendByTag(tag, header, encodeEieioData(message))
      sent++
    }
    if (sent >= count) timer.cancel()
  })
  return { receive() {}, stop: () => timer.cancel() }
}
