/** Tags of a leased board, in memory: whose they are, what they count as, and what is left of them at a release. */
import { expect, test } from "bun:test"
import type { TaggedDatagram } from "../../src/protocol/mux.ts"
import { throughStages } from "../../src/relay/flow.ts"
import { LEASE_DEFAULTS } from "../../src/relay/lease-settings.ts"
import { routeTags } from "../../src/relay/route-tags.ts"
import { tagRequestOf } from "../../src/relay/tag-request.ts"
import { ReceiveTuning } from "../../src/transport/receive-tuning.ts"
import { RxPorts } from "../../src/transport/rx-ports.ts"
import { replyTo } from "../support/guarded.ts"
import { LeasedBoards } from "../support/leased-board.ts"
import { iptagRequest } from "../support/tag-program.ts"

const SILENT_MS = 10_000

function setup() {
  const all = new LeasedBoards()
  const { clock, observer } = all
  const lease = all.leases.add("board-a", { ...LEASE_DEFAULTS, exclusive: true, sessionTimeoutMs: SILENT_MS })
  /** What has come to the board by reverse tags, and what its own questions were. */
  const [into, asked]: [Uint8Array[], Uint8Array[]] = [[], []]
  const paths: ((datagram: Uint8Array) => void)[] = []
  const routing = routeTags({
    ...{ board: "board-a", scpPort: 17893, clock, observer, admits: lease.admits },
    rxPorts: new RxPorts({ drops: observer, receiveTuning: new ReceiveTuning(observer) }),
    openPath: async (_port, onDatagram) => {
      const port = 5_000 + paths.push(onDatagram)
      return { port, send: (datagram) => void into.push(datagram), close() {} }
    },
    dialScp: () => {
      const [near, far] = all.pair("relay", "board")
      far.onDatagram = (datagram) => asked.push(datagram)
      return near
    },
  })
  let flows = 0
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) {
      await Promise.resolve()
      clock.advance(0)
    }
  }
  return {
    ...{ all, lease, into, asked, paths, settle },
    /** A program of `user` at a client of ours, which holds the tags `tag` (a reverse one) and `tag + 1` if it may. */
    async program(user: string, tag: number) {
      const [inner, board] = all.pair("link", "board")
      const [near] = all.pair("127.0.0.1:4000", "near")
      const out: TaggedDatagram[] = []
      let send: (tagged: TaggedDatagram) => void = () => {}
      Object.defineProperty(near, "onTagged", {
        set(handler: typeof send) {
          send = handler
        },
      })
      Object.assign(near, { sendTagged: (tagged: TaggedDatagram) => void out.push(tagged) })
      const flow = { id: ++flows, owner: user, application: "127.0.0.1:4000", near }
      const link = throughStages([lease.stage, routing.stage], inner, flow)
      let ended = false
      board.onDatagram = (datagram) => board.send(replyTo(datagram, { body: Uint8Array.of(0, 0, 0, 0) }))
      link.onDatagram = () => {}
      link.onClose = () => {
        ended = true
      }
      link.send(iptagRequest(1, { tag, reverse: true, port: 12_345 }))
      link.send(iptagRequest(2, { tag: tag + 1, port: 4_000 }))
      await settle()
      return {
        out,
        get ended() {
          return ended
        },
        into: (datagram: Uint8Array) => send({ tag, direction: "in", port: 12_345, datagram }),
      }
    },
  }
}

test("what goes by a tag, either way, is its holder's traffic", async () => {
  const { all, lease, program, paths, into } = setup()
  const alice = await program("alice", 1)
  for (let i = 0; i < 5; i++) {
    all.clock.advance(SILENT_MS - 1)
    alice.into(Uint8Array.of(i))
    all.clock.advance(SILENT_MS - 1)
    paths[1]!(Uint8Array.of(i))
  }
  expect([into.length, alice.out.length]).toEqual([5, 5])
  expect(lease.state).toMatchObject({ kind: "held", user: "alice" })
  all.clock.advance(SILENT_MS)
  expect(lease.state.kind).toBe("free")
})

test("at a release the tags are cleared at the board, and what still comes by them goes nowhere", async () => {
  const { all, program, paths, into, asked } = setup()
  const alice = await program("alice", 1)
  expect(all.leases.kick("alice")).toEqual(["board-a"])
  all.clock.advance(0)
  expect(alice.ended).toBe(true)
  expect(asked.map((datagram) => tagRequestOf(datagram)).map((request) => [request?.kind, request?.tag])).toEqual([
    ["clear", 1],
    ["clear", 2],
  ])
  for (const path of paths) path(Uint8Array.of(7))
  alice.into(Uint8Array.of(7))
  expect([into.length, alice.out.length]).toEqual([0, 0])
})

test("the relay's own questions, asked again and again of a silent board, hold it for nobody", async () => {
  const { all, lease, program, asked } = setup()
  await program("alice", 1)
  all.leases.kick("alice")
  all.clock.advance(60_000)
  expect(asked.length).toBeGreaterThan(4)
  expect(lease.state.kind).toBe("free")
})

test("who must wait sets no tag, and nothing of his goes to a reverse one", async () => {
  const { all, lease, program, paths, into } = setup()
  await program("alice", 1)
  const bob = await program("bob", 3)
  expect(paths).toHaveLength(2)
  bob.into(Uint8Array.of(1))
  expect(into).toEqual([])
  expect(lease.waiting).toEqual(["bob"])
  expect(all.observer.dropped.get("board-in-use")).toBe(2)
})

test("tags that others set before a board became exclusive end when somebody takes it, and pass nothing till then", async () => {
  const { all, lease, program, paths } = setup()
  all.leases.reconfigure("board-a", { ...lease.settings, exclusive: false })
  const [alice, bob] = [await program("alice", 1), await program("bob", 3)]
  all.leases.reconfigure("board-a", { ...lease.settings, exclusive: true })
  paths[1]!(Uint8Array.of(1))
  expect(lease.state).toMatchObject({ kind: "held", user: "alice" })
  paths[3]!(Uint8Array.of(1))
  bob.into(Uint8Array.of(1))
  expect([alice.out.length, bob.out.length]).toEqual([1, 0])
  expect([alice.ended, bob.ended]).toEqual([false, true])
})
