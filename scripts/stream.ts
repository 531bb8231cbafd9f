/**
 * Live output through the relay: messages offered, received and lost, by rate.
 *
 *     bun scripts/stream.ts --rate 1000,5000,20000 --seconds 10 [--keys 62] [--tcp]
 */
import { parseArgs } from "node:util"
import { printStreamTable, STREAM_RATES } from "./bench/streams.ts"
import { prepare } from "./lib/install.ts"

const { values } = parseArgs({
  options: {
    rate: { type: "string", default: STREAM_RATES.join() },
    seconds: { type: "string", default: "10" },
    keys: { type: "string", default: "62" },
    tcp: { type: "boolean", default: false },
  },
})
await prepare("stream")
await printStreamTable({
  rates: values.rate.split(",").map(Number),
  keys: Number(values.keys),
  seconds: Number(values.seconds),
  viaTcp: values.tcp,
})
process.exit()
