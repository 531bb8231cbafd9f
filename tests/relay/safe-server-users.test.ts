/** Who may use what of a safe server, over real sockets: each user has the boards that his key opens, and those alone. */
import { describe, expect, test } from "bun:test"
import { decodeScpReply } from "../../src/protocol/scp.ts"
import { TunnelCarrier } from "../../src/transport/tunnel/tunnel-dial.ts"
import { Application } from "../support/application.ts"
import { testContext } from "../support/chain.ts"
import { SafeChain, type SafeClient } from "../support/safe-chain.ts"
import { readRequest, SDRAM, verRequest, writeRequest } from "../support/scp-requests.ts"
import { closing, manyLoopbacks } from "../support/udp.ts"
import { until } from "../support/until.ts"

const A = "127.45.0.1"
const B = "127.45.0.2"
const BMP = "127.45.0.9"

/** Two booted boards that tell themselves apart by what their memory holds. */
const BOARDS = [A, B].map((host) => ({ host, booted: true }))

/** What a program reads where `mark` has written. */
async function markOf(client: SafeClient, board: string): Promise<string> {
  using program = await Application.open(client.settings.scpPort, client.addressOf(board))
  program.send(readRequest(7, SDRAM, 4))
  return Buffer.from(decodeScpReply((await program.next())!)!.body).toString()
}

/** Writes four letters into the memory of a board, beside the relay. */
async function mark({ scp }: { readonly scp: { host: string; port: number } }, letters: string): Promise<void> {
  using direct = await Application.open(scp.port, scp.host)
  direct.send(writeRequest(1, SDRAM, Buffer.from(letters)))
  expect(await direct.next()).toBeDefined()
}

async function markedChain(options: Parameters<typeof SafeChain.start>[0] = {}): Promise<SafeChain> {
  const chain = await SafeChain.start({ boards: BOARDS, ...options })
  for (const [index, board] of chain.boards.entries()) await mark(board, index === 0 ? "is A" : "is B")
  return chain
}

/** A bare end of the tunnel, which may ask for any name. */
function bareClient(chain: SafeChain, user: string, boards: "all" | readonly string[]) {
  const context = testContext()
  const carrier = closing(
    new TunnelCarrier({
      ...{ ...context, name: "pi", addresses: [{ host: "127.0.0.1", port: chain.server.port }] },
      key: chain.key(user, boards),
      newReplay: () => undefined,
      onNotice() {},
      onUp() {},
    }),
  )
  const ask = (board: string, channel: "scp" | "boot"): Promise<string> =>
    new Promise((resolve) => {
      const link = carrier.dialBoard(board, channel)("127.0.0.1:4000")
      link.onClose = ({ code, detail }) => resolve(`${code}: ${detail}`)
      link.onDatagram = (datagram) => resolve(Buffer.from(decodeScpReply(datagram)!.body).toString())
      link.send(readRequest(1, SDRAM, 4))
    })
  return { carrier, ask }
}

describe.if(manyLoopbacks)("a server with several boards", () => {
  test("gives each user the boards of his key at addresses of their own, and tells of no others", async () => {
    await using chain = await markedChain()
    const [alice, bob] = [await chain.client(chain.key("alice")), await chain.client(chain.key("bob", ["board-b"]))]
    expect(["board-a", "board-b"].map((name) => alice.addressOf(name))).toEqual(["127.0.0.1", "127.0.0.2"])
    expect(await markOf(alice, "board-a")).toBe("is A")
    expect(await markOf(alice, "board-b")).toBe("is B")
    expect(bob.observer.of("board-address").map(({ board, address }) => [board, address])).toEqual([
      ["board-b", "127.0.0.1"],
    ])
    expect(await markOf(bob, "board-b")).toBe("is B")
  })

  test("refuses every channel to a board of others in the words for a board that is not there", async () => {
    await using chain = await markedChain()
    const { ask } = bareClient(chain, "bob", ["board-b"])
    for (const channel of ["scp", "boot"] as const) {
      for (const name of ["board-a", "board-z", A, BMP]) {
        expect(await ask(name, channel)).toBe(`refused: this server has no board ${name}`)
      }
    }
    expect(await ask("board-b", "scp")).toBe("is B")
    expect(await ask("", "scp")).toBe("is B")
    expect(await bareClient(chain, "carol", ["board-z"]).ask("", "scp")).toBe(
      "refused: this server has no board for you",
    )
  })

  test("gives a BMP only to who may use all boards that it switches", async () => {
    const bmp = (board: number) => ({ host: BMP, port: 0, board })
    await using chain = await markedChain({ boards: [{ ...BOARDS[0], bmp: { host: BMP } }, BOARDS[1]!] })
    const [first, second] = chain.server.config.boards
    const port = chain.board.scp.port
    chain.server.reconfigure({
      ...chain.server.config,
      boards: [
        { ...first!, bmp: { ...bmp(0), port } },
        { ...second!, bmp: { ...bmp(1), port } },
      ],
    })
    expect(await bareClient(chain, "bob", ["board-b"]).ask(BMP, "scp")).toContain("no board")
    const { carrier } = bareClient(chain, "alice", ["board-a", "board-b"])
    const link = carrier.dialBoard(BMP, "scp")("127.0.0.1:4000")
    const { promise, resolve } = Promise.withResolvers<string>()
    link.onClose = ({ detail }) => resolve(detail ?? "")
    link.onDatagram = (datagram) => resolve(Buffer.from(decodeScpReply(datagram)!.body).toString())
    link.send(verRequest(1))
    expect(await promise).toContain("BC&MP")
    const alice = await chain.client(chain.key("alice"))
    expect(alice.addressOf(BMP)).toBe("127.0.0.3")
  })
})

describe("a key that is revoked", () => {
  test("ends its user's sessions within a second, and lets nobody in again; others go on", async () => {
    await using chain = await SafeChain.start()
    const alice = await chain.client(chain.key("alice"))
    const bob = await chain.client(chain.key("bob"))
    using program = await Application.open(alice.client.ports.scp)
    program.send(verRequest(1))
    expect(await program.next()).toBeDefined()
    expect(chain.revoke("alice").sessions).toBe(1)
    expect(chain.server.tunnel.sessions.map(({ user }) => user)).toEqual(["bob"])
    await until(() => alice.downs.length > 0, "the refusal", 1_000)
    expect(alice.observer.of("connection-lost")[0]?.detail).toBe("the key has been revoked")
    expect(alice.downs[0]).toContain("revoked")
    program.send(verRequest(2))
    expect(await program.next(100)).toBeUndefined()
    using other = await Application.open(bob.client.ports.scp)
    other.send(verRequest(3))
    expect(await other.next()).toBeDefined()
    expect(chain.server.tunnel.refusals.get("revoked-key")).toBeGreaterThan(0)
  })
})
