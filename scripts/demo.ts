/**
 * `bun run demo`: a board, a server and a client as three processes on this machine, and an application that boots
 * the board through them, asks who is there, writes memory and reads it back. Needs no hardware.
 * SPINNAKER_RELAY_BINARY names a compiled program to use instead of the sources.
 */
import { encodeBootImage } from "../src/protocol/boot.ts"
import { SCP_MAX_DATA } from "../src/protocol/scp.ts"
import { describeVersion, isBooting } from "../src/protocol/version.ts"
import { type Child, type ChildOptions, startChild } from "./lib/child.ts"
import { freePorts } from "./lib/free-port.ts"
import { prepare } from "./lib/install.ts"
import { Screen } from "./lib/progress-bar.ts"
import { patient, relayCommand } from "./lib/relay-command.ts"
import { duration, messageOf } from "./lib/say.ts"
import { ScpClient } from "./lib/scp-client.ts"
import { syntheticImage } from "./lib/synthetic-image.ts"

const LOOPBACK = "127.0.0.1"
/** Everything together has to be done by then. */
const LIMIT_MS = 30_000
/** Between two boot datagrams: what ybug leaves, the fastest of the known clients. */
const BOOT_GAP_MS = 10
/** How long a board may take from the last block to its first complete answer. */
const BOOT_WAIT_MS = 15_000
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

/** Sends the image as a client program would, one datagram after another, without any answer to go by. */
async function boot(port: number): Promise<void> {
  const socket = await Bun.udpSocket({ connect: { hostname: LOOPBACK, port }, socket: { data() {}, error() {} } })
  try {
    const datagrams = encodeBootImage(syntheticImage())
    for (const [i, datagram] of datagrams.entries()) {
      socket.send(datagram)
      screen.progress(i + 1, datagrams.length, "datagrams of the boot image sent")
      await Bun.sleep(BOOT_GAP_MS)
    }
  } finally {
    socket.close()
  }
}

/** Asks until the board has finished booting; resolves with what it calls itself. */
async function awaitVersion(scp: ScpClient): Promise<string> {
  const deadline = performance.now() + patient(BOOT_WAIT_MS)
  while (performance.now() < deadline) {
    const version = await scp.version({ timeoutMs: 200, tries: 1 })
    if (version && !isBooting(version)) return describeVersion(version)
    if (version) await Bun.sleep(50)
  }
  throw new Error(`The board did not answer VER within ${duration(patient(BOOT_WAIT_MS))} of its boot`)
}

/** Writes 64 KiB, reads it back and compares. */
async function tryMemory(scp: ScpClient): Promise<void> {
  const written = crypto.getRandomValues(new Uint8Array(MEMORY_BYTES))
  for (let at = 0; at < MEMORY_BYTES; at += SCP_MAX_DATA) {
    await scp.write(MEMORY_ADDRESS + at, written.subarray(at, at + SCP_MAX_DATA))
    screen.progress(at + SCP_MAX_DATA, MEMORY_BYTES, "bytes written")
  }
  for (let at = 0; at < MEMORY_BYTES; at += SCP_MAX_DATA) {
    const read = await scp.read(MEMORY_ADDRESS + at, SCP_MAX_DATA)
    if (!Bun.deepEquals(Buffer.from(read), Buffer.from(written.subarray(at, at + SCP_MAX_DATA)))) {
      throw new Error(`Memory at 0x${(MEMORY_ADDRESS + at).toString(16)} reads back other than it was written`)
    }
    screen.progress(at + SCP_MAX_DATA, MEMORY_BYTES, "bytes read back, all as written")
  }
}

async function run(): Promise<void> {
  await prepare("demo")
  screen.line("Three processes: a fake board, a server beside it, and a client as on your own machine\n")
  const { scpPort, bootPort } = await startAll()
  screen.line(`\nAn application finds the board at ${LOOPBACK}, SCP port ${scpPort}, boot port ${bootPort}\n`)
  await boot(bootPort)
  using scp = await ScpClient.connect(LOOPBACK, scpPort)
  screen.line(`\nThe board says it is ${await awaitVersion(scp)}\n`)
  await tryMemory(scp)
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
