/** The programs of the soak: they come, write memory, read it back, compare, ask who is there, and go; one boots the board. */
import { encodeBootImage } from "../../src/protocol/boot.ts"
import { isBooting } from "../../src/protocol/version.ts"
import type { Random } from "../../src/transport/random.ts"
import { ScpClient } from "../lib/scp-client.ts"
import { syntheticImage } from "../lib/synthetic-image.ts"

/** What the programs have seen. */
export interface Tally {
  sessions: number
  answered: number
  unanswered: number
  /** Memory that did not hold what had been written, on a board that was not booted meanwhile. */
  wrong: number
  boots: number
  bootsFailed: number
}

/** What a program needs. */
export interface ProgramContext {
  readonly tally: Tally
  readonly random: Random
  /** True until the programs are to end. */
  readonly goOn: () => boolean
  /** Counts the board's restarts: memory does not outlive one. */
  readonly epoch: () => number
}

/** SDRAM that nothing else uses; each program has a kilobyte of it. */
const MEMORY = 0x6064_0000
const LOOPBACK = "127.0.0.1"
/** Longest wait for a board that boots. */
const BOOT_WAIT_MS = 20_000

/** Sessions one after another, each on a socket of its own, at one client's SCP port. */
export async function runProgram(number: number, port: number, context: ProgramContext): Promise<void> {
  while (context.goOn()) {
    context.tally.sessions++
    using client = await ScpClient.connect(LOOPBACK, port)
    const requests = 5 + Math.floor(context.random() * 60)
    for (let n = 0; n < requests && context.goOn(); n++) await exchange(client, MEMORY + number * 1024, context)
    await Bun.sleep(context.random() * 200)
  }
}

async function exchange(client: ScpClient, address: number, context: ProgramContext): Promise<void> {
  const { tally, random, epoch } = context
  const before = epoch()
  const data = Uint8Array.from({ length: 64 }, () => random() * 256)
  try {
    await client.write(address, data)
    const read = await client.read(address, data.length)
    const same = read.length === data.length && read.every((byte, at) => byte === data[at])
    if (!same && before === epoch()) tally.wrong++
    tally.answered += 2
  } catch {
    // No answer in five tries: the board boots, a server restarts, or the network was unkind.
    tally.unanswered++
  }
}

/** Boots the board as ybug would, and waits until it has come up; true if it has. */
export async function bootBoard(ports: { boot: number; scp: number }, tally: Tally): Promise<boolean> {
  tally.boots++
  const socket = await Bun.udpSocket({
    connect: { hostname: LOOPBACK, port: ports.boot },
    socket: { data() {}, error() {} },
  })
  try {
    for (const datagram of encodeBootImage(syntheticImage())) {
      socket.send(datagram)
      await Bun.sleep(10)
    }
  } finally {
    socket.close()
  }
  using client = await ScpClient.connect(LOOPBACK, ports.scp)
  for (const startedAt = performance.now(); performance.now() - startedAt < BOOT_WAIT_MS; ) {
    const version = await client.version()
    if (version && !isBooting(version)) return true
    await Bun.sleep(100)
  }
  tally.bootsFailed++
  return false
}
