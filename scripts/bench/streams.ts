/** Live output through the relay: messages offered, received and lost, by rate. */
import { heading } from "../lib/say.ts"
import { streamThroughRelay } from "../lib/stream-run.ts"
import { count, table } from "./report.ts"

/** Messages a second that are tried. */
export const STREAM_RATES = [1_000, 5_000, 10_000, 20_000] as const

/** Streams at each rate in turn, with 62 keys (254 bytes) a message unless told, and prints a row for each. */
export async function printStreamTable(options: {
  rates: readonly number[]
  seconds: number
  viaTcp: boolean
  keys?: number
}): Promise<void> {
  const { rates, seconds, viaTcp, keys = 62 } = options
  heading(`live output by IP tag, ${viaTcp ? "-T" : "UDP"}, ${keys} keys a message, ${seconds} s for each rate`)
  const rows: string[][] = [["asked for/s", "offered/s", "received/s", "lost", "late"]]
  const notes: string[] = []
  for (const rate of rates) {
    const result = await streamThroughRelay({ rate, keys, seconds, viaTcp })
    const perSecond = (messages: number): string => count(messages / result.seconds)
    rows.push([
      count(rate),
      perSecond(result.offered),
      perSecond(result.received),
      count(result.lost),
      count(result.late),
    ])
    if (result.lost > 0) notes.push(...result.said.filter((line) => line.includes("dropped")))
  }
  console.log([table(rows), ...notes].join("\n"))
}
