/**
 * Live output through the relay: messages offered, received and lost, by rate.
 *
 *     bun scripts/stream.ts --rate 1000,5000,20000 --seconds 10 [--keys 62] [--tcp]
 */
import { parseArgs } from "node:util"
import { prepare } from "./lib/install.ts"
import { streamThroughRelay } from "./lib/stream-run.ts"

const { values } = parseArgs({
  options: {
    rate: { type: "string", default: "1000,5000,10000,20000" },
    seconds: { type: "string", default: "10" },
    keys: { type: "string", default: "62" },
    tcp: { type: "boolean", default: false },
  },
})
await prepare("stream")
console.log("offered/s  received/s      offered     received         lost   late")
for (const rate of values.rate.split(",").map(Number)) {
  const run = { rate, keys: Number(values.keys), seconds: Number(values.seconds), viaTcp: values.tcp }
  const { offered, received, lost, late, seconds, said } = await streamThroughRelay(run)
  const cells = [
    [offered / seconds, 9],
    [received / seconds, 11],
    [offered, 12],
    [received, 12],
    [lost, 12],
    [late, 6],
  ] as const
  console.log(cells.map(([value, width]) => Math.round(value).toString().padStart(width)).join(" "))
  if (lost > 0) for (const line of said.filter((each) => each.includes("dropped"))) console.log(`  ${line}`)
}
process.exit()
