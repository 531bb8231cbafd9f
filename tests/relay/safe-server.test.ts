import { afterEach, describe, expect, mock, spyOn, test } from "bun:test"
import { freePorts } from "../../scripts/lib/free-port.ts"
import { decodeScpReply } from "../../src/protocol/scp.ts"
import { Application } from "../support/application.ts"
import { testSettings } from "../support/chain.ts"
import { RawTls } from "../support/raw-tls.ts"
import { SafeChain } from "../support/safe-chain.ts"
import { verRequest } from "../support/scp-requests.ts"
import { until } from "../support/until.ts"

afterEach(() => mock.restore())

test("a port that the system does not give is told of, also where the server listens everywhere", async () => {
  spyOn(Bun, "listen").mockImplementation(() => {
    throw Object.assign(new Error("Failed to listen"), { code: "EACCES" })
  })
  await using chain = await SafeChain.start({ config: { listen: [], port: 443 } })
  const told = chain.observer.of("listen-waiting")
  expect(told).toMatchObject([{ address: "0.0.0.0:443", detail: "EACCES" }])
})

test("an old port that is taken is told of without options that the server has not", async () => {
  const [port] = (await freePorts(1)) as [number]
  const taken = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } })
  const legacy = testSettings({ scpTunnelPort: port, bootListener: false })
  const start = SafeChain.start({ legacy })
  await expect(start).rejects.toThrow(`port ${port} on 127.0.0.1 is already in use by another program`)
  await expect(start).rejects.toThrow(/or leave out --legacy$/)
  taken.stop()
})

test("the tunnel lets in only whom the configuration allows, and a new configuration changes whom", async () => {
  await using chain = await SafeChain.start({ config: { allow: ["192.0.2.0/24"] } })
  const { server } = chain
  const key = chain.key("alice")
  const outcome = (): Promise<string> =>
    RawTls.member(server.port, key).then(
      (one) => {
        one[Symbol.dispose]()
        return "let in"
      },
      (error: Error) => error.message,
    )
  const shutOut = "closed before the handshake was done"
  expect(await outcome()).toBe(shutOut)
  await until(() => server.tunnel.refusals.size > 0, "the count")
  expect(Object.fromEntries(server.tunnel.refusals)).toEqual({ "not-allowed": 1 })
  server.reconfigure({ ...server.config, allow: ["192.0.2.0/24", "127.0.0.0/8"] })
  expect(await outcome()).toBe("let in")
  server.reconfigure({ ...server.config, allow: ["192.0.2.0/24"] })
  expect(await outcome()).toBe(shutOut)
  server.reconfigure({ ...server.config, allow: [] })
  expect(await outcome()).toBe("let in")
})

describe("the old ports", () => {
  /** Ports that a server may use, and whether each is bound for UDP and TCP. */
  async function start(asked: boolean) {
    const [scpTunnelPort, bootTunnelPort] = (await freePorts(2)) as [number, number]
    const old = testSettings({ scpTunnelPort, bootTunnelPort, bootListener: false })
    const chain = await SafeChain.start({ usual: old, ...(asked && { legacy: old }) })
    const taken: string[] = []
    for (const port of [scpTunnelPort, bootTunnelPort]) {
      const hostname = "127.0.0.1"
      try {
        Bun.listen({ hostname, port, socket: { data() {} } }).stop(true)
      } catch {
        taken.push("TCP")
      }
      try {
        const socket = await Bun.udpSocket({ hostname, port })
        socket.close()
      } catch {
        taken.push("UDP")
      }
    }
    return { chain, taken, scpTunnelPort }
  }

  test("stay shut unless they are asked for: a server opens the tunnel only", async () => {
    const { chain, taken } = await start(false)
    await using _ = chain
    expect([taken, chain.server.legacy]).toEqual([[], []])
  })

  test("that are asked for lead to the board, both ways, beside the tunnel", async () => {
    const { chain, taken, scpTunnelPort } = await start(true)
    await using _ = chain
    expect(taken).toEqual(["TCP", "UDP", "TCP", "UDP"])
    const { client } = await chain.client(chain.key("alice"))
    for (const [sequence, port] of [scpTunnelPort, client.ports.scp].entries()) {
      using program = await Application.open(port)
      program.send(verRequest(sequence))
      expect(decodeScpReply((await program.next())!)?.sequence).toBe(sequence)
    }
  })
})
