/** A machine of three boards and its BMP behind relays as processes: what a person types, and what the tools then find. */
import { describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { decodeScpReply, Result } from "../../src/protocol/scp.ts"
import { Application } from "../support/application.ts"
import { type Child, freePorts, startBoard, startRelay } from "../support/relay-process.ts"
import { verRequest } from "../support/scp-requests.ts"
import { manyLoopbacks } from "../support/udp.ts"

const HOSTS = ["127.42.0.1", "127.42.0.2", "127.42.0.3"] as const
const BMP = "127.42.0.9"
const LOCAL = "127.42.1.1"

/** Address that the client says it has given to a board. */
async function placeOf(client: Child, board: string): Promise<string> {
  const [, address] = await client.waitForLine(new RegExp(`(?:board|BMP) ${board} is at (\\S+): `))
  return address!
}

async function answers(host: string, port: number): Promise<string> {
  using program = await Application.open(port, host)
  for (let sequence = 1; sequence <= 10; sequence++) {
    program.send(verRequest(sequence))
    const reply = decodeScpReply((await program.next(500)) ?? new Uint8Array(0))
    if (reply?.result === Result.OK) return Buffer.from(reply.body.subarray(12)).toString("latin1").split("\0")[0]!
  }
  throw new Error(`No answer from ${host}:${port}`)
}

describe.if(manyLoopbacks)("several boards and a BMP, as processes", () => {
  test("are found and used by the addresses that the client prints, which stay the same after a restart", async () => {
    const state = mkdtempSync(join(tmpdir(), "several-boards-"))
    try {
      await using board = await startBoard(["--booted", "--boards", "1x1x3", "--listen", HOSTS[0], "--bmp", BMP])
      const [tunnel, bootTunnel, scp, boot] = (await freePorts(4)) as [number, number, number, number]
      const tunnels = ["--scp-tunnel-port", `${tunnel}`, "--boot-tunnel-port", `${bootTunnel}`]
      await using server = startRelay([
        ...["-s", HOSTS[0], "--bind", "127.0.0.1", "--allow", "127.0.0.0/8", ...tunnels],
        ...["--boards", `${HOSTS[1]},${HOSTS[2]}`, "--bmp", BMP],
        ...["--scp-port", `${board.scp.port}`, "--boot-port", `${board.boot.port}`],
      ])
      await server.waitForLine(/listening for boot on UDP/)
      const argv = [
        "-c",
        "-t",
        "127.0.0.1",
        "--bind",
        LOCAL,
        "--scp-port",
        `${scp}`,
        "--boot-port",
        `${boot}`,
        ...tunnels,
      ]
      const startClient = () =>
        startRelay([...argv, "--address", `${HOSTS[2]}=127.42.1.9`], { env: { STATE_DIRECTORY: state } })
      const places: string[][] = []
      for (let run = 0; run < 2; run++) {
        await using client = startClient()
        places.push(await Promise.all([...HOSTS, BMP].map((host) => placeOf(client, host))))
        if (run === 0) {
          for (const host of HOSTS) expect(await answers(await placeOf(client, host), scp)).toBe("SC&MP/SpiNNaker")
          expect(await answers(await placeOf(client, BMP), scp)).toBe("BC&MP/Spin5-BMP")
        }
        expect(await client.stop()).toBe(0)
        expect(client.stderr.join("\n")).not.toMatch(/fault in|has no address here/)
      }
      expect(places[0]).toEqual([LOCAL, "127.42.1.2", "127.42.1.9", "127.42.1.3"])
      expect(places[1]).toEqual(places[0]!)
      expect(await server.stop()).toBe(0)
      expect(server.stderr.join("\n")).not.toMatch(/fault in/)
    } finally {
      rmSync(state, { recursive: true, force: true })
    }
  })
})

test("a BMP is served to those that --allow names only: without it the server ends with 2 and says why", async () => {
  await using server = startRelay(["-s", HOSTS[0], "--bmp", BMP])
  expect(await server.exited).toBe(2)
  expect(server.stderr.join("\n")).toContain("--bmp needs --allow: whoever reaches a BMP can switch the boards off")
})
