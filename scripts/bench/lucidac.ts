/**
 * `bun scripts/bench/lucidac.ts`: the LUCIDAC proxy before fake devices, beside a direct connection in the same run:
 * samples at full rate, round trips, how soon the next user has the devices, and what a client costs that does not read.
 *
 *   --devices N   fake devices (4)          --rate HZ    samples/s of each, on 8 channels (500,000)
 *   --seconds N   of streaming (5)          --no-udp     take the samples over TCP
 *   --buffer N    megabytes that the client may fill that does not read (16; the proxy's own default is 256)
 *
 * SPINNAKER_RELAY_BINARY names a compiled program to measure instead of the sources.
 */
import { readFile } from "node:fs/promises"
import { parseArgs } from "node:util"
import { ARM } from "../../src/lucidac/arm.ts"
import { CHUNK_SAMPLES } from "../../src/lucidac/fake-samples.ts"
import type { Address } from "../../src/transport/address.ts"
import { type Child, startChild } from "../lib/child.ts"
import { prepare } from "../lib/install.ts"
import { relayCommand } from "../lib/relay-command.ts"
import { heading, megabytes, messageOf } from "../lib/say.ts"
import { LucidacClient } from "./lucidac-client.ts"
import { count, percentile, ratio, table } from "./report.ts"

const { values } = parseArgs({
  options: {
    devices: { type: "string", default: "4" },
    rate: { type: "string", default: "500000" },
    seconds: { type: "string", default: "5" },
    "no-udp": { type: "boolean", default: false },
    buffer: { type: "string", default: "16" },
  },
})

/** Ticks a second of the times in /proc/PID/stat, on every Linux. */
const TICKS = 100
const ROUND_TRIPS = 2_000
const HAND_OVERS = 50

/** Processor seconds and the most memory that a process has had; NaN where the system does not say. */
async function usage(pid: number): Promise<{ cpuSeconds: number; peakBytes: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")
  // The second field is the name in brackets, which may hold blanks; user and system time are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "")
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS, peakBytes: Number(peak ?? Number.NaN) * 1024 }
}

function addressOf(text: string): Address {
  const colon = text.lastIndexOf(":")
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) }
}

/** Streams to one client through `target`, and says what came. */
async function streamRow(name: string, target: Address, carriers: number, measured: Child): Promise<string[]> {
  const seconds = Number(values.seconds)
  const rate = Number(values.rate)
  const client = await LucidacClient.connect(target)
  const before = await usage(measured.pid)
  const begun = performance.now()
  await client.run({ id: crypto.randomUUID(), seconds, rate, carriers })
  const tookSeconds = (performance.now() - begun) / 1000
  const after = await usage(measured.pid)
  client.end()
  const expected = Math.ceil((rate * seconds) / CHUNK_SAMPLES) * carriers
  const received = [...client.received.values()].reduce((sum, { messages }) => sum + messages, 0)
  for (const complaint of client.complaints) console.log(`${name}: ${complaint}`)
  return [
    name,
    count((received * CHUNK_SAMPLES) / tookSeconds),
    count(received / tookSeconds),
    `${count(expected - received)} (${(((expected - received) / expected) * 100).toFixed(2)} %)`,
    ((after.cpuSeconds - before.cpuSeconds) / tookSeconds).toFixed(2),
    megabytes(after.peakBytes),
  ]
}

/** Round trips of a reset, alternating between the targets in blocks, so that both have the same weather. */
async function roundTrips(targets: Readonly<Record<string, Address>>): Promise<void> {
  const clients = await Promise.all(
    Object.entries(targets).map(async ([name, target]) => ({
      name,
      client: await LucidacClient.connect(target),
      ms: [] as number[],
    })),
  )
  for (let block = 0; block < 20; block++) {
    for (const { client, ms } of clients) {
      for (let trip = 0; trip < ROUND_TRIPS / 20; trip++) {
        const begun = performance.now()
        await client.ask(ARM.reset)
        // The first block warms up.
        if (block > 0) ms.push(performance.now() - begun)
      }
    }
  }
  const rows = [["reset, round trip", "p50 ms", "p99 ms"]]
  const sorted = clients.map(({ name, client, ms }) => {
    client.end()
    return { name, ms: ms.toSorted((a, b) => a - b) }
  })
  for (const { name, ms } of sorted) rows.push([name, percentile(ms, 0.5).toFixed(3), percentile(ms, 0.99).toFixed(3)])
  const [first, second] = sorted.map(({ ms }) => percentile(ms, 0.5))
  console.log(table(rows))
  console.log(`through the proxy ${(second! - first!).toFixed(3)} ms more at p50, ${ratio(second! / first!)} of direct`)
}

/** How soon a client that waits has its answer once the one before it has gone. */
async function handOvers(proxy: Address): Promise<void> {
  const ms: number[] = []
  for (let round = 0; round < HAND_OVERS; round++) {
    const holder = await LucidacClient.connect(proxy)
    await holder.ask(ARM.reset)
    const waiter = await LucidacClient.connect(proxy)
    const answer = waiter.ask(ARM.reset)
    // The waiter's request is in the proxy's hands before the holder goes.
    await Bun.sleep(5)
    const begun = performance.now()
    holder.end()
    const { arm } = await answer
    if (arm !== ARM.resetResponse) throw new Error(`The waiting client was told ${arm} instead of its answer`)
    ms.push(performance.now() - begun)
    waiter.end()
    await Bun.sleep(5)
  }
  ms.sort((a, b) => a - b)
  console.log(
    table([
      ["hand-over to a waiting client", "p50 ms", "p99 ms", "most ms"],
      [`${HAND_OVERS} times`, percentile(ms, 0.5).toFixed(2), percentile(ms, 0.99).toFixed(2), ms.at(-1)!.toFixed(2)],
    ]),
  )
}

/** A client that reads nothing while a device streams: what the proxy holds, and what it says of the rest. */
async function slowClient(backend: string): Promise<void> {
  const command = ["lucidac", "-l", "127.0.0.1", "-p", "0", "--buffer", `${values.buffer}M`, "-b", backend]
  await using proxy = startChild([...relayCommand(), ...command])
  const [, at] = await proxy.waitForLine(/listening on (\S+)/)
  const client = await LucidacClient.connect(addressOf(at!))
  await client.ask(ARM.reset)
  const seconds = Number(values.seconds)
  const rate = Number(values.rate)
  const run = client.run({ id: crypto.randomUUID(), seconds, rate, carriers: 1 })
  await client.stall(seconds * 1000)
  const outcome = await run.then(
    () => "done",
    (error: unknown) => messageOf(error),
  )
  const { peakBytes } = await usage(proxy.pid)
  const received = [...client.received.values()].reduce((sum, { messages }) => sum + messages, 0)
  const told = client.complaints.flatMap((text) => /: (\d+) sample chunks/.exec(text)?.[1] ?? [])
  const lost = told.reduce((sum, text) => sum + Number(text), 0)
  const expected = Math.ceil((rate * seconds) / CHUNK_SAMPLES)
  console.log(
    `${count(expected)} messages, ${count(received)} received, ${count(lost)} told as lost; ` +
      `peak memory ${megabytes(peakBytes)} with a buffer of ${values.buffer} MB; the run: ${outcome}`,
  )
  client.end()
}

async function main(): Promise<void> {
  await prepare("bench")
  const devices = Number(values.devices)
  const udp = values["no-udp"] ? ["--no-udp"] : []
  const start = (...args: string[]) => startChild([...relayCommand(), ...args])
  await using fakes = start(
    "lucidac",
    "fake",
    "--carriers",
    String(devices),
    "--port",
    "0",
    "--buffer",
    String(64 << 20),
    ...udp,
  )
  const [line] = await fakes.waitForLine(/^\{.*\}$/, undefined, "stdout")
  const addresses: string[] = JSON.parse(line).devices
  const backends = addresses.flatMap((address, index) => ["-b", `${address}/0/${index}`])
  await using proxy = start("lucidac", "-l", "127.0.0.1", "-p", "0", "--session-timeout", "60", ...backends)
  const [, at] = await proxy.waitForLine(/listening on (\S+)/)
  const target = addressOf(at!)
  const one = addressOf(addresses[0]!)

  heading(`samples: ${count(Number(values.rate))}/s on 8 channels of each of ${devices} devices, ${values.seconds} s`)
  const rows = [["", "samples/s", "messages/s", "lost messages", "its cores", "its peak memory"]]
  // The proxy's first client may have to wait until all devices were asked what they are.
  const first = await LucidacClient.connect(target)
  await first.ask(ARM.reset)
  first.end()
  rows.push(await streamRow("through the proxy", target, devices, proxy))
  rows.push(await streamRow("one device, directly (the fake's own figures)", one, 1, fakes))
  console.log(table(rows))

  heading("beside a direct connection to one device")
  await roundTrips({ direct: one, "through the proxy": target })
  console.log("")
  await handOvers(target)
  await proxy.stop()

  heading(`a client that reads nothing for ${values.seconds} s while one device streams`)
  await slowClient(`${addresses[0]}/0/0`)
}

try {
  await main()
} catch (error) {
  console.error(messageOf(error))
  process.exitCode = 1
}
