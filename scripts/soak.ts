/**
 * `bun scripts/soak.ts [--seconds 60] [--seed 1]`: mixed traffic for as long as asked, over real processes on loopback,
 * with faults on every leg, restarts and address changes. Whatever happens, nothing read may be wrong, and in the end
 * every relay that was not restarted must hold as much memory and as many descriptors as before, and end with 0.
 *
 *     programs -> client U -(UDP, loses, doubles, reorders, changes addresses)-> server A -> board, its LAN lossy too
 *     programs -> client T -(TCP, is cut)--------------------------------------> server A
 *     programs -> client R -(TCP)-> server B, which is killed and started again, gently or not
 */
import { parseArgs } from "node:util"
import { seededRandom } from "../src/transport/random.ts"
import { Middleman } from "../tests/support/middleman.ts"
import { type Child, startChild } from "./lib/child.ts"
import { freePorts } from "./lib/free-port.ts"
import { relayCommand } from "./lib/relay-command.ts"
import { duration, heading, megabytes, messageOf } from "./lib/say.ts"
import { FaultyNetwork } from "./soak/faulty-network.ts"
import { type Footprint, footprint } from "./soak/footprint.ts"
import { bootBoard, type ProgramContext, runProgram, type Tally } from "./soak/programs.ts"

const LOOPBACK = "127.0.0.1"
/** Flows end after this without traffic, so that the end of the soak need not wait long for them. */
const IDLE_SECONDS = 2
/** Idle time, the sweep after it, and some for a garbage collector. */
const SETTLE_MS = 6_000
/** Traffic before the first measurement: code is compiled and buffers have grown by then. */
const WARM_UP_MS = 8_000
/** Bun's heap breathes by some 20 MB under load; a leak of one flow's kilobyte in each session shows within minutes. */
const MEMORY_TOLERANCE = 32 << 20
const PROGRAMS_PER_CLIENT = 3
/** Times between disturbances, milliseconds. */
const EVERY = { boot: 25_000, restart: 11_000, cut: 7_000, address: 5_000, report: 60_000 } as const

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "60" }, seed: { type: "string", default: "1" } },
})
const seconds = Number(values.seconds)
const seed = Number(values.seed)
if (!(seconds > 0) || !Number.isInteger(seed)) {
  console.error("usage: bun scripts/soak.ts [--seconds SECONDS] [--seed N]")
  process.exit(2)
}

const random = seededRandom(seed)
const tally: Tally = { sessions: 0, answered: 0, unanswered: 0, wrong: 0, boots: 0, bootsFailed: 0 }
const problems: string[] = []
const drops = new Map<string, number>()
let epoch = 0
let restarts = 0

/** Starts a process whose log is read for what must not be in it, and for what it lost. */
function start(name: string, args: readonly string[]): Child {
  return startChild([...relayCommand(), ...args], {
    onLine(text, stream) {
      if (stream !== "stderr" || !text.startsWith("{")) return
      const { event, reason, count = 0, message } = JSON.parse(text)
      if (event === "internal-error") problems.push(`${name}: ${message}`)
      if (event === "dropped") drops.set(`${name} ${reason}`, (drops.get(`${name} ${reason}`) ?? 0) + count)
    },
  })
}

const ports = await freePorts(12)
const [boardScp, boardBoot, aScp, aBoot, bScp, bBoot, uScp, uBoot, tScp, tBoot, rScp, rBoot] = ports as [
  ...(typeof ports)[number][],
] as [number, number, number, number, number, number, number, number, number, number, number, number]

const LOG = ["--log-format", "json", "--log-level", "info"]
const board = (): Child =>
  start("board", [
    ...["board", "--scp-port", `${boardScp}`, "--boot-port", `${boardBoot}`, "--boot-gap", "8", "--jitter", "2"],
    ...["--drop", "0.02", "--duplicate", "0.02", "--seed", `${seed + epoch}`, "--log-format", "json"],
  ])
const server = (name: string, scp: number, boot: number): Child =>
  start(name, [
    ...["-s", LOOPBACK, "--bind", LOOPBACK, "--idle-timeout", `${IDLE_SECONDS}`, ...LOG],
    ...["--scp-port", `${boardScp}`, "--boot-port", `${boardBoot}`],
    ...["--scp-tunnel-port", `${scp}`, "--boot-tunnel-port", `${boot}`],
  ])
const client = (name: string, mode: string[], local: [number, number], tunnel: [number, number]): Child =>
  start(name, [
    ...["-c", LOOPBACK, ...mode, "--idle-timeout", `${IDLE_SECONDS}`, ...LOG],
    ...["--scp-port", `${local[0]}`, "--boot-port", `${local[1]}`],
    ...["--scp-tunnel-port", `${tunnel[0]}`, "--boot-tunnel-port", `${tunnel[1]}`],
  ])

// Not by looking at the port: our look would take it from the child that is about to.
const listens = (relay: Child): Promise<unknown> => relay.waitForLine(/listening for boot/i)
const boardIsUp = (child: Child): Promise<unknown> => child.waitForLine(/^\{.*\}$/, undefined, "stdout")

/** Programs at all clients until `goOn` says no. */
function traffic(goOn: () => boolean): Promise<unknown> {
  const context: ProgramContext = { tally, random, goOn, epoch: () => epoch }
  const each = [uScp, tScp, rScp].flatMap((port) => Array(PROGRAMS_PER_CLIENT).fill(port) as number[])
  return Promise.all(each.map((port, number) => runProgram(number, port, context)))
}

const startedAt = performance.now()
let theBoard = board()
const serverA = server("server A", aScp, aBoot)
let serverB = server("server B", bScp, bBoot)
await Promise.all([boardIsUp(theBoard), listens(serverA), listens(serverB)])
const bad = { drop: 0.02, duplicate: 0.02, delayMs: 2, jitterMs: 20 }
const scpNetwork = await FaultyNetwork.open(aScp, bad, random)
const bootNetwork = await FaultyNetwork.open(aBoot, { ...bad, drop: 0 }, random)
const scpCutter = new Middleman(aScp)
const bootCutter = new Middleman(aBoot)
const clientU = client("client U", [], [uScp, uBoot], [scpNetwork.port, bootNetwork.port])
const clientT = client("client T", ["-t", "-T"], [tScp, tBoot], [scpCutter.port, bootCutter.port])
const clientR = client("client R", ["-t", "-T"], [rScp, rBoot], [bScp, bBoot])
await Promise.all([clientU, clientT, clientR].map(listens))
const watched: Record<string, Child> = {
  "server A": serverA,
  "client U": clientU,
  "client T": clientT,
  "client R": clientR,
}

const measure = (): Record<string, Footprint> =>
  Object.fromEntries(Object.entries(watched).map(([name, child]) => [name, footprint(child.pid)]))

function report(title: string, now: Record<string, Footprint>): void {
  const line = Object.entries(now).map(
    ([name, { bytes, descriptors }]) => `${name} ${megabytes(bytes)}, ${descriptors} fds`,
  )
  console.log(`${duration(performance.now() - startedAt).padStart(8)}  ${title}: ${line.join("; ")}`)
}

/** Cuts the board's power and boots it through one client or the other. */
async function powerCycle(): Promise<void> {
  epoch++
  await theBoard.kill()
  theBoard = board()
  await boardIsUp(theBoard)
  const through = epoch % 2 ? { boot: uBoot, scp: uScp } : { boot: tBoot, scp: tScp }
  // A person would try again, too.
  if (!(await bootBoard(through, tally))) await bootBoard(through, tally)
  epoch++
}

async function restartServer(): Promise<void> {
  restarts++
  if (restarts % 2) await serverB.kill()
  else if ((await serverB.stop()) !== 0) problems.push("server B did not end with 0 when asked to")
  serverB = server("server B", bScp, bBoot)
  await listens(serverB)
}

/** Runs `disturb` again and again until `goOn` says no. */
async function again(everyMs: number, goOn: () => boolean, disturb: () => Promise<void> | void): Promise<void> {
  for (;;) {
    for (let waited = 0; waited < everyMs; waited += 100) {
      if (!goOn()) return
      await Bun.sleep(100)
    }
    await disturb()
  }
}

heading(`soak for ${seconds} s, seed ${seed}`)
try {
  if (!(await bootBoard({ boot: uBoot, scp: uScp }, tally)) && !(await bootBoard({ boot: tBoot, scp: tScp }, tally))) {
    throw new Error("The board could not be booted to begin with")
  }
  const warmUntil = performance.now() + WARM_UP_MS
  await traffic(() => performance.now() < warmUntil)
  await Bun.sleep(SETTLE_MS)
  const before = measure()
  report("before", before)

  const until = performance.now() + seconds * 1_000
  const goOn = (): boolean => performance.now() < until
  await Promise.all([
    traffic(goOn),
    again(EVERY.boot, goOn, powerCycle),
    again(EVERY.restart, goOn, restartServer),
    again(EVERY.cut, goOn, () => (random() < 0.5 ? scpCutter : bootCutter).cut()),
    again(EVERY.address, goOn, () => {
      scpNetwork.changeAddresses()
      bootNetwork.changeAddresses()
    }),
    again(EVERY.report, goOn, () => report("under way", measure())),
  ])
  await Bun.sleep(SETTLE_MS)
  const after = measure()
  report("after", after)
  for (const [name, { bytes, descriptors }] of Object.entries(after)) {
    const then = before[name]!
    if (descriptors > then.descriptors)
      problems.push(`${name} holds ${descriptors} descriptors, before ${then.descriptors}`)
    const grown = bytes - then.bytes
    if (grown > MEMORY_TOLERANCE) problems.push(`${name} has grown by ${megabytes(grown)}`)
  }
} catch (error) {
  problems.push(messageOf(error))
} finally {
  for (const [name, child] of Object.entries(watched)) {
    const code = await child.stop()
    if (code !== 0) problems.push(`${name} ended with exit code ${code}`)
  }
  await Promise.all([serverB.stop(), theBoard.stop()])
  scpNetwork.close()
  bootNetwork.close()
  scpCutter[Symbol.dispose]()
  bootCutter[Symbol.dispose]()
}

if (tally.wrong > 0) problems.push(`${tally.wrong} reads did not return what had been written`)
if (tally.answered === 0) problems.push("no request was answered")
if (tally.bootsFailed * 2 > tally.boots) problems.push(`${tally.bootsFailed} of ${tally.boots} boots failed`)
console.log(
  `${tally.sessions} sessions, ${tally.answered} requests answered, ${tally.unanswered} not; ` +
    `${tally.boots} boots, ${tally.bootsFailed} failed; ${restarts} restarts; ${scpNetwork.changes} address changes`,
)
for (const [what, count] of [...drops].sort()) console.log(`  dropped by ${what}: ${count}`)
for (const problem of problems) console.log(`PROBLEM: ${problem}`)
console.log(problems.length === 0 ? "soak: passed" : `soak: ${problems.length} problems`)
process.exit(problems.length === 0 ? 0 : 1)
