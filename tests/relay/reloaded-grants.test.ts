/** What a reload takes away is gone at once: also for flows that were opened before, in sessions that go on. */
import { expect, test } from "bun:test"
import { UdpBoard } from "../../src/fake-board/udp-board.ts"
import { encodeData, encodeOpen, MuxDecoder, type MuxFrame } from "../../src/protocol/mux.ts"
import type { BoardConfig } from "../../src/relay/server-config.ts"
import { RawTls } from "../support/raw-tls.ts"
import { placed, SafeChain } from "../support/safe-chain.ts"
import { verRequest } from "../support/scp-requests.ts"
import { until } from "../support/until.ts"

function framesOf(one: RawTls): MuxFrame[] {
  const frames: MuxFrame[] = []
  new MuxDecoder().push(new Uint8Array(one.received), (frame) => frames.push(frame))
  return frames.filter(({ type }) => type !== "notice" && type !== "ping")
}

/** A member with a key to those boards, with a flow open to `name`. */
async function flowTo(chain: SafeChain, name: string, boards: "all" | string[]) {
  const one = await RawTls.member(chain.server.port, chain.key("mallory", boards))
  one.send(encodeOpen(1, "scp", name, "a:1"), encodeData(1, verRequest(1)))
  return one
}

const configOf = (chain: SafeChain, boards: readonly BoardConfig[]) => ({ ...chain.server.config, boards })

test("a flow to a board that is taken out ends, is not opened again, and what it still says reaches nobody", async () => {
  await using chain = await SafeChain.start({ boards: [{ booted: true }, { booted: true }] })
  using one = await flowTo(chain, "board-b", ["board-b"])
  await until(() => framesOf(one).length === 1, "an answer")
  const [a, b] = chain.server.config.boards as [BoardConfig, BoardConfig]
  chain.server.reconfigure(configOf(chain, [a]))
  await until(() => framesOf(one).length === 2, "the flow's end")
  one.send(encodeData(1, verRequest(2)), encodeOpen(2, "scp", "board-b", "a:1"), encodeOpen(3, "scp", "", "a:1"))
  await until(() => framesOf(one).length === 4, "two refusals")
  expect(framesOf(one).slice(2)).toMatchObject([
    { type: "close", flow: 2, code: "refused", detail: "this server has no board board-b" },
    { type: "close", flow: 3, code: "refused", detail: "this server has no board for you" },
  ])
  // Under the same name at another place it is the same board to its keys, and the flow is another.
  chain.server.reconfigure(configOf(chain, [a, b]))
  one.send(encodeData(1, verRequest(3)), encodeOpen(4, "scp", "board-b", "a:1"), encodeData(4, verRequest(4)))
  await until(() => framesOf(one).length === 5, "an answer")
  expect(framesOf(one)[4]).toMatchObject({ type: "data", flow: 4 })
  expect(one.closed).toBe(false)
})

test("a flow to a BMP ends when it comes to switch a board that its key does not open", async () => {
  await using chain = await SafeChain.start({ boards: [{ booted: true }, { booted: true }] })
  const bmp = await UdpBoard.open({ scpPort: 0, bootPort: 0, helloBroadcast: undefined, booted: true })
  using _ = { [Symbol.dispose]: () => bmp.close() }
  const place = { host: "127.0.0.1", port: bmp.scp.port }
  const [a, b] = chain.boards.map((board, index) => placed(board, `board-${"ab"[index]}`)) as [BoardConfig, BoardConfig]
  const withBmp = (board: BoardConfig, number: number): BoardConfig => ({ ...board, bmp: { ...place, board: number } })
  chain.server.reconfigure(configOf(chain, [withBmp(a, 0), b]))
  using one = await flowTo(chain, "127.0.0.1", ["board-a"])
  await until(() => framesOf(one).length === 1, "an answer")
  expect(framesOf(one)).toMatchObject([{ type: "data", flow: 1 }])
  // The same again takes nothing from anybody.
  chain.server.reconfigure(configOf(chain, [withBmp(a, 0), b]))
  one.send(encodeData(1, verRequest(2)))
  await until(() => framesOf(one).length === 2, "another answer")
  chain.server.reconfigure(configOf(chain, [withBmp(a, 0), withBmp(b, 1)]))
  await until(() => framesOf(one).length === 3, "the flow's end")
  one.send(encodeOpen(2, "scp", "127.0.0.1", "a:1"))
  await until(() => framesOf(one).length === 4, "a refusal")
  expect(framesOf(one).slice(2)).toMatchObject([
    { type: "close", flow: 1 },
    { type: "close", flow: 2, code: "refused", detail: "this server has no board 127.0.0.1" },
  ])
})
