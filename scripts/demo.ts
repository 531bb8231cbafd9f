/**
 * `bun run demo`: a board, a server and a client as three processes on this machine, and an application that boots
 * the board through them, asks who is there, writes memory and reads it back. Needs no hardware.
 * SPINNAKER_RELAY_BINARY names a compiled program to use instead of the sources.
 */
import { bootBoard, readMemory, SCAMPConnection, SCPRequestPipeLine, writeMemory } from "../src/connections/index.ts"
import { describeVersion } from "../src/protocol/version.ts"
import { type Child, type ChildOptions, startChild } from "./lib/child.ts"
import { freePorts } from "./lib/free-port.ts"
import { prepare } from "./lib/install.ts"
import { Screen } from "./lib/progress-bar.ts"
import { patient, relayCommand } from "./lib/relay-command.ts"
import { duration, messageOf } from "./lib/say.ts"
import { syntheticImage } from "./lib/synthetic-image.ts"

const LOOPBACK = "127.0.0.1"
/** Everything together has to be done by then. */
const LIMIT_MS = 30_000
/** Times of the boot: the gaps of ybug, the fastest of the known clients, and a fake board needs no more. */
const BOOT_TIMES = { gapMs: 10, settleMs: 500, answerMs: 200 } as const
const MEMORY_BYTES = 65_536
/** SDRAM that nothing else uses. */
const MEMORY_ADDRESS = 0x6064_0000

const screen = new Screen((text) => process.stdout.write(text), process.stdout.isTTY)
const children: Child[] = []
const trouble = Promise.withResolvers<never>()
let done = false

/** Starts one of the three; its log lines appear with its name before them. */
function start(name: string, args: string[]): Child {
  const onLine: ChildOptions["onLine"] = (line, stream) => {
    if (stream === "stderr") screen.line(`  ${name.padEnd(6)} | ${line}`)
  }
  const child = startChild([...relayCommand(), ...args], { onLine })
  children.push(child)
  void child.exited.then((code) => {
    if (!done) trouble.reject(new Error(`The ${name} ended with exit code ${code} before its time`))
  })
  return child
}

/** Starts board, server and client; resolves with the ports at which an application finds the board. */
async function startAll(): Promise<{ scpPort: number; bootPort: number }> {
  const [scpTunnel, bootTunnel, scpPort, bootPort] = (await freePorts(4, LOOPBACK)) as [number, number, number, number]
  const board = start("board", ["board", "--type", "spin5", "--scp-port", "0", "--boot-port", "0"])
  const [line] = await board.waitForLine(/^\{.*\}$/, undefined, "stdout")
  const at: { scp: string; boot: string } = JSON.parse(line)
  const portOf = (address: string): string => address.slice(address.lastIndexOf(":") + 1)

  const tunnels = ["--scp-tunnel-port", `${scpTunnel}`, "--boot-tunnel-port", `${bootTunnel}`]
  const boardPorts = ["--scp-port", portOf(at.scp), "--boot-port", portOf(at.boot)]
  const server = start("server", ["-s", LOOPBACK, "--bind", LOOPBACK, ...boardPorts, ...tunnels])
  await server.waitForLine(/listening for boot/i)
  const localPorts = ["--scp-port", `${scpPort}`, "--boot-port", `${bootPort}`]
  const client = start("client", ["-c", LOOPBACK, "-t", ...localPorts, ...tunnels])
  await client.waitForLine(/listening for boot/i)
  return { scpPort, bootPort }
}

/** Boots the board as an application does: probe, image, VER until it is ready. */
async function boot(scpPort: number, bootPort: number): Promise<void> {
  const outcome = await bootBoard({
    host: LOOPBACK,
    scpPort,
    bootPort,
    image: syntheticImage(),
    times: { ...BOOT_TIMES, answerMs: patient(BOOT_TIMES.answerMs) },
    onStep(step) {
      if (step.doing === "sending") screen.progress(step.done, step.total, "datagrams of the boot image sent")
    },
  })
  if (outcome.kind === "failed") throw new Error(`The boot failed: ${outcome.detail}`)
  screen.line(`\nThe board says it is ${describeVersion(outcome.version)}\n`)
}

/** Writes 64 KiB, reads it back and compares. */
async function tryMemory(scpPort: number): Promise<void> {
  const connection = await SCAMPConnection.open({ remoteHost: LOOPBACK, remotePort: scpPort })
  try {
    const pipeline = new SCPRequestPipeLine(connection)
    const written = crypto.getRandomValues(new Uint8Array(MEMORY_BYTES))
    await writeMemory(pipeline, { address: MEMORY_ADDRESS, data: written }, (bytes, total) =>
      screen.progress(bytes, total, "bytes written"),
    )
    const read = await readMemory(pipeline, { address: MEMORY_ADDRESS, length: MEMORY_BYTES }, (bytes, total) =>
      screen.progress(bytes, total, "bytes read back"),
    )
    if (!Buffer.from(read).equals(written)) throw new Error("The memory reads back other than it was written")
  } finally {
    connection.close()
  }
}

async function run(): Promise<void> {
  await prepare("demo")
  screen.line("Three processes: a fake board, a server beside it, and a client as on your own machine\n")
  const { scpPort, bootPort } = await startAll()
  screen.line(`\nAn application finds the board at ${LOOPBACK}, SCP port ${scpPort}, boot port ${bootPort}\n`)
  await boot(scpPort, bootPort)
  await tryMemory(scpPort)
}

/** Sees to it that `trouble` rejects when no waiting will mend things. */
function watch(): void {
  const late = (): void => trouble.reject(new Error(`Not done after ${duration(patient(LIMIT_MS))}`))
  setTimeout(late, patient(LIMIT_MS)).unref()
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => trouble.reject(new Error(`Ended by ${signal}`)))
  }
}

const started = performance.now()
try {
  watch()
  await Promise.race([run(), trouble.promise])
  done = true
  await Promise.all(children.map((child) => child.stop()))
  screen.line(`\nAll well: booted, asked, written, read back and compared in ${duration(performance.now() - started)}`)
} catch (error) {
  screen.line(`\nThe demo failed: ${messageOf(error)}`)
  process.exitCode = 1
  await Promise.all(children.map((child) => child.kill()))
}
// Whatever is still open, such as a wait that lost the race, is of no interest any more.
process.exit()
