/** A fake board's events as lines: for people, or JSON for programs. */
import { commandName, resultName } from "../protocol/scp.ts"
import type { BoardEvent } from "./events.ts"

/** One line for a person; undefined for events that are only worth a line with `verbose`. */
export function eventLine(event: BoardEvent, verbose: boolean): string | undefined {
  switch (event.type) {
    case "phase":
      return `${event.host}: ${phaseWords[event.phase]}`
    case "boot-started":
      return `boot begun by ${event.from}: ${event.blocks} blocks announced`
    case "boot-block":
      if (!verbose) return undefined
      return `block ${event.block}, ${event.bytes} bytes${event.first ? "" : ", a repeat: ignored"}`
    case "boot-incomplete":
      return `END from ${event.from} ignored: blocks ${event.missing.join(", ")} are missing; the fill stays open`
    case "boot-ignored":
      return verbose ? `boot datagram from ${event.from} ignored: ${event.why}` : undefined
    case "booted": {
      const { digest, blocks, bytes } = event.image
      return `booted by ${event.from}: image ${digest}, ${blocks} blocks, ${bytes.length} bytes`
    }
    case "hello":
      return verbose ? `hello sent to ${event.to}` : undefined
    case "command":
      if (!verbose) return undefined
      return `${commandName(event.command)} seq ${event.sequence} at ${event.x},${event.y},${event.cpu} from ${event.from}: ${resultName(event.result)}`
    case "lost":
      return verbose ? `${event.path} datagram ${event.ordinal} lost: ${event.reason}` : undefined
  }
}

const phaseWords = {
  off: "no power",
  rom: "boot ROM waits for an image",
  silent: "image runs, network comes up (silence)",
  booting: "SC&MP answers, but only with 255,255",
  up: "SC&MP is up",
} as const

/** One JSON object; the image's bytes are left out. */
export function eventJson(event: BoardEvent, timeMs: number): string {
  const time = Math.round(timeMs * 1000) / 1000
  if (event.type !== "booted") return JSON.stringify({ time, ...event })
  const { digest, blocks, bytes } = event.image
  return JSON.stringify({ time, type: "booted", digest, blocks, bytes: bytes.length, from: event.from })
}
