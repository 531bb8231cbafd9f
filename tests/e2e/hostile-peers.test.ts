/** Strangers at the server's TCP ports: none of them may cost memory, or another's answer. */
import { describe, expect, test } from "bun:test"
import { seededRandom } from "../../src/transport/random.ts"
import { Application } from "../support/application.ts"
import { freePorts, startBoard, startRelay } from "../support/relay-process.ts"
import { residentBytes } from "../support/resident-memory.ts"
import { verRequest } from "../support/scp-requests.ts"
import { until } from "../support/until.ts"

/** Connects to `port` and does what it likes; resolves with the socket, or undefined if it was cut off at once. */
function stranger(
  port: number,
  onOpen: (socket: Bun.Socket<undefined>) => void,
): Promise<Bun.Socket<undefined> | undefined> {
  const socket = { open: onOpen, data() {}, error() {}, close() {} }
  return Bun.connect({ hostname: "127.0.0.1", port, socket }).catch(() => undefined)
}

describe("hostile TCP peers", () => {
  test("leave memory and other flows alone", async () => {
    await using board = await startBoard(["--booted"])
    const [scp, boot, localScp, localBoot] = (await freePorts(4)) as [number, number, number, number]
    const tunnel = ["--scp-tunnel-port", `${scp}`, "--boot-tunnel-port", `${boot}`]
    await using server = startRelay([
      ...["-s", "127.0.0.1", "--bind", "127.0.0.1", ...tunnel],
      ...["--scp-port", `${board.scp.port}`, "--boot-port", `${board.boot.port}`],
    ])
    await server.waitForLine(/listening for boot on UDP/)
    await using client = startRelay([
      ...["-c", "-T", "127.0.0.1", ...tunnel, "--scp-port", `${localScp}`, "--boot-port", `${localBoot}`],
    ])
    await client.waitForLine(/connected to/)
    using program = await Application.open(localScp)
    let asked = 0
    let answers = 0
    async function ask(): Promise<void> {
      program.send(verRequest(++asked))
      if (await program.next(1_000)) answers++
    }
    await ask()
    const before = residentBytes(server.pid)

    // An endless frame: the largest length that is allowed, and bytes for ever.
    const endless = await stranger(scp, (socket) => {
      socket.write(new Uint8Array([0, 0, 0xff, 0xe3]))
    })
    // A length that is not allowed.
    await stranger(scp, (socket) => void socket.write(new Uint8Array([0xff, 0xff, 0xff, 0xff])))
    // A slow loris: the beginning of a frame, and no more.
    await stranger(scp, (socket) => void socket.write(new Uint8Array([0, 0, 1])))
    const random = seededRandom(7)
    const garbage = () => Uint8Array.from({ length: 2000 }, () => random() * 256)
    for (let i = 0; i < 100; i++) {
      await stranger(scp, (socket) => {
        socket.write(garbage())
        socket.end()
      })
      // Our own greeting, then garbage.
      await stranger(i % 2 ? scp : boot, (socket) => {
        socket.write("SPIN\0\x01\0\0")
        socket.write(garbage())
      })
      ;(await stranger(boot, () => {}))?.terminate()
      endless?.write(new Uint8Array(65_507).fill(0xff))
      await ask()
    }
    await until(() => server.stderr.some((line) => /cut off/.test(line)), "a line about a peer that was cut off")
    expect(answers).toBe(asked)
    // What 300 strangers leave behind is the log's and the allocator's, not their bytes (7 MB were sent).
    expect(residentBytes(server.pid) - before).toBeLessThan(32 << 20)
    expect(server.stderr.join("\n")).not.toMatch(/fault in/)
  }, 30_000)
})
