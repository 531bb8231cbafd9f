/**
 * `bun run bench`: how fast the relay is, alone and beside Python's spinnaker_proxy and socat where they are found.
 *
 *   --seconds N    of each run (1)            --runs N      alternating runs, the median counts (5)
 *   --windows L    outstanding requests (1,8,64)
 *   --only TEXT    only scenarios whose name contains it; may be repeated; "direct" is always there
 *   --python DIR   folder that holds the package spinnaker_proxy; or SPINNAKER_PROXY_DIR; else an installed one
 *   --socat FILE   else the one on the path
 *   --soak SECONDS instead of all that: 5,000 requests/s through client and server, memory at minute 2 and at the end
 *   --faults       instead of all that: only the fault tables, which otherwise come last
 *   --json FILE    also writes every run's figures there
 *
 * SPINNAKER_RELAY_BINARY names a compiled program to measure instead of the sources.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { prepare } from "../lib/install.ts"
import { BINARY_VARIABLE } from "../lib/relay-command.ts"
import { heading, megabytes, messageOf } from "../lib/say.ts"
import { measureAtRest } from "./at-rest.ts"
import { printFaultTables } from "./faults.ts"
import { type Generator, makeGenerator, runLoad } from "./generator.ts"
import { residentBytes } from "./process-memory.ts"
import { medianP50, medianRate, rateTable, ratio, ratioTable, type Series } from "./report.ts"
import { NAMES, type Others, type Scenario, type Setup, scenarios, startResponder } from "./scenarios.ts"
import { soak } from "./soak.ts"
import { printStreamTable, STREAM_RATES } from "./streams.ts"

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "1" },
    runs: { type: "string", default: "5" },
    windows: { type: "string", default: "1,8,64" },
    only: { type: "string", multiple: true },
    python: { type: "string" },
    socat: { type: "string" },
    soak: { type: "string" },
    faults: { type: "boolean" },
    json: { type: "string" },
  },
})

/** Looks for what can be measured beside ours, and says what it did not find. */
async function findOthers(): Promise<Others> {
  const socat = values.socat ?? Bun.which("socat") ?? undefined
  if (!socat) console.log("socat: not found (--socat FILE)")
  const python = Bun.which("python3") ?? Bun.which("python")
  const folder = values.python ?? process.env.SPINNAKER_PROXY_DIR
  const options = folder === undefined ? {} : { cwd: folder }
  const found =
    python !== null &&
    (await Bun.spawn([python, "-c", "import spinnaker_proxy.spinnaker_proxy"], { ...options, stderr: "ignore" })
      .exited) === 0
  if (!found) console.log("Python's proxy: not found (--python DIR or SPINNAKER_PROXY_DIR)")
  const command = [python ?? "", "-m", "spinnaker_proxy.spinnaker_proxy"]
  return { socat, python: found ? { command, folder } : undefined }
}

/** Waits until the whole chain answers. Throws Error if it does not. */
async function awaitAnswer(generator: Generator, name: string, setup: Setup): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    const result = await runLoad(generator, { port: setup.port, window: 1, seconds: 0.01 })
    if (result.answered > 0) return
  }
  const said = Object.entries(setup.children).flatMap(([role, child]) =>
    child.stderr.map((line) => `  ${role}: ${line}`),
  )
  throw new Error(`${name}: no answer came through; its programs said\n${said.join("\n")}`)
}

/** Every scenario at every window in turn, round after round, so that a slow minute of the machine hits all alike. */
async function measure(generator: Generator, list: readonly Scenario[], boardPort: number): Promise<Series[]> {
  const windows = values.windows.split(",").map(Number)
  const setups = new Map<Scenario, Setup>()
  for (const scenario of list) {
    const setup = await scenario.start(boardPort)
    await awaitAnswer(generator, scenario.name, setup)
    setups.set(scenario, setup)
  }
  const series = list.flatMap((scenario) =>
    windows.map((window) => ({ scenario: scenario.name, window, runs: [] as Series["runs"][number][] })),
  )
  for (let run = 0; run < Number(values.runs); run++) {
    for (const window of windows) {
      for (const [scenario, { port }] of setups) {
        const result = await runLoad(generator, { port, window, seconds: Number(values.seconds) })
        series.find((one) => one.scenario === scenario.name && one.window === window)!.runs.push(result)
      }
    }
    console.log(`run ${run + 1} of ${values.runs} done`)
  }
  heading("resident memory after that load")
  for (const [scenario, { children }] of setups) {
    for (const [role, child] of Object.entries(children)) {
      const bytes = await residentBytes(child.pid)
      if (bytes !== undefined) console.log(`${scenario.name}, ${role}: ${megabytes(bytes)}`)
      await child.stop()
    }
  }
  return series
}

/** Says how far the generator was from being what was measured. */
function describeHeadroom(generator: Generator, series: readonly Series[]): void {
  const windows = [...new Set(series.map((one) => one.window))]
  const direct = Math.max(...windows.map((window) => medianRate(series, NAMES.direct, window)))
  const others = series.filter((one) => one.scenario !== NAMES.direct)
  const fastest = Math.max(...others.map((one) => medianRate(series, one.scenario, one.window)))
  const busiest = Math.max(...others.flatMap((one) => one.runs).map((run) => run.cpuShare))
  console.log(
    `Load generator: ${generator.description}. Alone with the stand-in board it does ${Math.round(direct)} requests/s, ` +
      `${ratio(direct / fastest)} the fastest chain, and it never used more than ${Math.round(busiest * 100)} % of a core beside one.`,
  )
  if (direct < 1.5 * fastest || busiest > 0.9)
    console.log("It may have been the bottleneck: use longer chains' figures with care.")
}

/** The figures that the project promised itself. */
function judge(series: readonly Series[], atRest: { startMs: number; idleBytes: number | undefined }): void {
  const say = (what: string, value: string, good: boolean): void =>
    console.log(`${good ? "reached" : "MISSED "}  ${what}: ${value}`)
  for (const [ours, theirs] of [
    [NAMES.udpBare, NAMES.pythonUdp],
    [NAMES.tcpBare, NAMES.pythonTcp],
    [NAMES.udp, NAMES.pythonUdp],
    [NAMES.tcp, NAMES.pythonTcp],
  ] as const) {
    const at = (window: number): number => medianRate(series, ours, window) / medianRate(series, theirs, window)
    if (!Number.isNaN(at(64))) say(`${ours} at window 64 at least 2x Python's`, ratio(at(64)), at(64) >= 2)
    if (!Number.isNaN(at(1))) say(`${ours} at window 1 no slower than Python's`, ratio(at(1)), at(1) >= 1)
  }
  const rateOfSafe = medianRate(series, NAMES.safe, 64) / medianRate(series, NAMES.tcp, 64)
  if (!Number.isNaN(rateOfSafe))
    say(`${NAMES.safe}, at window 64 at least 0.8x ${NAMES.tcp}`, ratio(rateOfSafe), rateOfSafe >= 0.8)
  const p50OfSafe = medianP50(series, NAMES.safe, 1) / medianP50(series, NAMES.tcp, 1)
  if (!Number.isNaN(p50OfSafe))
    say(`${NAMES.safe}, p50 at window 1 at most 1.5x ${NAMES.tcp}'s`, ratio(p50OfSafe), p50OfSafe <= 1.5)
  const cost = medianP50(series, NAMES.one, 1) / medianP50(series, NAMES.oneBare, 1) - 1
  if (!Number.isNaN(cost))
    say("guard's share of one relay's p50 below 5 %", `${(100 * cost).toFixed(1)} %`, cost < 0.05)
  say("start to listening below 200 ms", `${atRest.startMs.toFixed(0)} ms`, atRest.startMs < 200)
  const { idleBytes } = atRest
  if (idleBytes !== undefined) say("resident memory below 70 MB idle", megabytes(idleBytes), idleBytes < 70 * 2 ** 20)
}

async function main(): Promise<number> {
  await prepare("bench")
  const folder = await mkdtemp(join(tmpdir(), "relay-bench-"))
  try {
    const generator = await makeGenerator(folder)
    console.log(
      `${cpus().length} cores, ${cpus()[0]?.model ?? "unknown"}, Bun ${Bun.version}, ${process.platform}-${process.arch}`,
    )
    console.log(`relay: ${process.env[BINARY_VARIABLE] ?? "from the sources"}`)
    await using responder = (await startResponder(generator)).child
    const boardPort = Number(responder.stdout[0])
    const wanted = (name: string): boolean => values.only?.some((text) => name.includes(text)) ?? true
    if (values.faults) {
      printFaultTables(Number(values.runs))
      return 0
    }
    if (values.soak !== undefined) {
      const chains = scenarios({ socat: undefined, python: undefined }, folder).filter(
        ({ name }) => name !== NAMES.direct && wanted(name),
      )
      const picked = values.only ? chains : chains.filter(({ name }) => name === NAMES.tcp)
      const results = await Promise.all(picked.map((one) => soak(generator, one, boardPort, Number(values.soak))))
      return results.every(Boolean) ? 0 : 1
    }
    const list = scenarios(await findOthers(), folder).filter(({ name }) => name === NAMES.direct || wanted(name))
    const series = await measure(generator, list, boardPort)
    const atRest = await measureAtRest(Number(values.runs))
    heading(`282-byte requests and replies, ${values.runs} alternating runs of ${values.seconds} s, medians`)
    console.log(rateTable(series))
    heading("ratios")
    console.log(ratioTable(series, NAMES.direct))
    if (list.some(({ name }) => name === NAMES.pythonUdp)) console.log(`\n${ratioTable(series, NAMES.pythonUdp)}`)
    heading("figures")
    judge(series, atRest)
    describeHeadroom(generator, series)
    printFaultTables(Number(values.runs))
    for (const viaTcp of [false, true]) await printStreamTable({ rates: STREAM_RATES, seconds: 2, viaTcp })
    if (values.json !== undefined) await Bun.write(values.json, JSON.stringify({ series, atRest }, undefined, 2))
    return 0
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(messageOf(error))
  process.exitCode = 1
}
// Whatever was started and is still there goes now; `main` stopped the rest in good order.
process.exit()
