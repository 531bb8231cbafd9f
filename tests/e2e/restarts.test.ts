/** Relays as processes: either end is restarted, or goes silent, and programs get their answers again. */
import { describe, expect, test } from "bun:test"
import { decodeScpReply, Result } from "../../src/protocol/scp.ts"
import { Application } from "../support/application.ts"
import { readCapturedBoot } from "../support/captured-boot.ts"
import { MODES, type Mode } from "../support/chain.ts"
import { Middleman } from "../support/middleman.ts"
import { type Child, freePorts, startBoard, startRelay } from "../support/relay-process.ts"
import { verRequest } from "../support/scp-requests.ts"

const PATIENCE_MS = 20_000

/** Ports of one chain of processes. */
interface Ports {
  board: { scp: number; boot: number }
  tunnel: { scp: number; boot: number }
  local: { scp: number; boot: number }
}

function flags(mode: Mode): string[] {
  return [...(mode.bootViaTcp ? ["-t"] : []), ...(mode.sdpViaTcp ? ["-T"] : [])]
}

async function startServer(mode: Mode, ports: Ports): Promise<Child> {
  const server = startRelay([
    ...["-s", ...flags(mode), "127.0.0.1", "--bind", "127.0.0.1"],
    ...["--scp-port", `${ports.board.scp}`, "--boot-port", `${ports.board.boot}`],
    ...["--scp-tunnel-port", `${ports.tunnel.scp}`, "--boot-tunnel-port", `${ports.tunnel.boot}`],
  ])
  await server.waitForLine(/listening for boot on (UDP|TCP)/)
  return server
}

async function startClient(mode: Mode, ports: Ports, through = ports.tunnel): Promise<Child> {
  const client = startRelay([
    ...["-c", ...flags(mode), "127.0.0.1"],
    ...["--scp-port", `${ports.local.scp}`, "--boot-port", `${ports.local.boot}`],
    ...["--scp-tunnel-port", `${through.scp}`, "--boot-tunnel-port", `${through.boot}`],
  ])
  await client.waitForLine(/listening for boot/)
  return client
}

async function choosePorts(board: { scp: { port: number }; boot: { port: number } }): Promise<Ports> {
  const [a, b, c, d] = (await freePorts(4)) as [number, number, number, number]
  return {
    board: { scp: board.scp.port, boot: board.boot.port },
    tunnel: { scp: a, boot: b },
    local: { scp: c, boot: d },
  }
}

/** Asks VER as a patient program does; resolves with the milliseconds until the answer. */
async function answered(ports: Ports): Promise<number> {
  const begun = performance.now()
  for (let sequence = 1; performance.now() - begun < PATIENCE_MS; sequence++) {
    using program = await Application.open(ports.local.scp)
    program.send(verRequest(sequence))
    const answer = await program.next(250)
    if (answer && decodeScpReply(answer)?.result === Result.OK) return performance.now() - begun
  }
  throw new Error(`No answer through the relay in ${PATIENCE_MS} ms`)
}

describe.each(MODES)("relays as processes over $name", (mode) => {
  test.concurrent(
    "answer before and after a restart of the server, the client having been started first",
    async () => {
      await using board = await startBoard(["--booted"])
      const ports = await choosePorts(board)
      await using client = await startClient(mode, ports)
      const first = await startServer(mode, ports)
      await answered(ports)
      await first.kill()
      await using _second = await startServer(mode, ports)
      await answered(ports)
      expect(await client.stop()).toBe(0)
      expect(client.stderr.join("\n")).not.toMatch(/fault in/)
    },
    2 * PATIENCE_MS,
  )

  test.concurrent(
    "answer after a restart of the client",
    async () => {
      await using board = await startBoard(["--booted"])
      const ports = await choosePorts(board)
      await using server = await startServer(mode, ports)
      const first = await startClient(mode, ports)
      await answered(ports)
      await first.kill()
      await using second = await startClient(mode, ports)
      await answered(ports)
      expect(await second.stop("SIGINT")).toBe(0)
      expect(await server.stop()).toBe(0)
      expect(server.stderr.join("\n")).not.toMatch(/fault in/)
    },
    2 * PATIENCE_MS,
  )
})

describe.each(MODES.filter((mode) => mode.sdpViaTcp))("half-open connections over $name", (mode) => {
  test.concurrent(
    "are noticed within seconds while a program waits",
    async () => {
      await using board = await startBoard(["--booted"])
      const ports = await choosePorts(board)
      await using _server = await startServer(mode, ports)
      using scp = new Middleman(ports.tunnel.scp)
      using boot = new Middleman(ports.tunnel.boot)
      await using client = await startClient(mode, ports, { scp: scp.port, boot: boot.port })
      await answered(ports)
      scp.blackhole()
      expect(await answered(ports)).toBeLessThan(8_000)
      expect(await client.stop()).toBe(0)
    },
    2 * PATIENCE_MS,
  )
})

describe.each(MODES.filter((mode) => mode.bootViaTcp))("a half-open connection under a boot over $name", (mode) => {
  test.concurrent(
    "is replaced and the boot sent again",
    async () => {
      const capture = await readCapturedBoot("rig-boot-spin5")
      await using board = await startBoard([])
      const ports = await choosePorts(board)
      await using _server = await startServer(mode, ports)
      using scp = new Middleman(ports.tunnel.scp)
      using boot = new Middleman(ports.tunnel.boot)
      await using client = await startClient(mode, ports, { scp: scp.port, boot: boot.port })
      await client.waitForLine(new RegExp(`connected to 127.0.0.1:${boot.port}`))
      boot.blackhole()
      using program = await Application.open(ports.local.boot)
      for (const { payload } of capture.sent.filter(({ service }) => service === "boot")) {
        program.send(payload)
        await new Promise((resolve) => setImmediate(resolve))
      }
      await board.waitForLine(new RegExp(`booted.*${capture.digest}`), PATIENCE_MS)
      expect(await client.stop()).toBe(0)
    },
    2 * PATIENCE_MS,
  )
})
