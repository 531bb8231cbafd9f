import { describe, expect, test } from "bun:test"
import { boardPaths } from "../../src/transport/board-path.ts"
import { systemClock } from "../../src/transport/clock.ts"
import { portInUse } from "../../src/transport/port-in-use.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { ReceiveTuning } from "../../src/transport/receive-tuning.ts"
import { Resolver } from "../../src/transport/resolver.ts"
import { RecordingObserver } from "../support/recording-observer.ts"
import { bytes, closing, deadPort, plain, text } from "../support/udp.ts"
import { until } from "../support/until.ts"

function paths() {
  const observer = new RecordingObserver()
  const resolver = closing(new Resolver({ name: "127.0.0.1", clock: systemClock, observer, random: seededRandom(1) }))
  return { open: boardPaths({ resolver, receiveTuning: new ReceiveTuning(observer), drops: observer }), observer }
}

describe("a path to a board", () => {
  test("takes the board's datagrams at the port that it tells, and nobody else's", async () => {
    const { open } = paths()
    const [board, stranger] = [await plain(), await plain()]
    const got: string[] = []
    const path = closing(await open(board.port, (datagram) => got.push(text(datagram))))
    stranger.send("not the board", path.port)
    board.send("from the board", path.port)
    await until(() => got.length > 0, "the board's datagram")
    expect(got).toEqual(["from the board"])
    path.send(bytes("to the board"))
    await until(() => board.got.length > 0, "the other way")
    expect(board.got[0]).toEqual({ text: "to the board", port: path.port, host: "127.0.0.1" })
  })

  test("to nobody counts what cannot go and throws nothing, closed too", async () => {
    const { open, observer } = paths()
    const path = await open(await deadPort(), () => {})
    for (let i = 0; i < 5; i++) path.send(bytes("anybody?"))
    await until(() => (observer.dropped.get("unreachable") ?? 0) > 0, "the system's word")
    path.close()
    path.send(bytes("closed"))
    expect(observer.dropped.get("closed")).toBe(1)
  })
})

test("a port is in use for as long as somebody has it open", async () => {
  const program = await plain()
  expect(await portInUse("127.0.0.1", program.port)).toBe(true)
  program.close()
  expect(await portInUse("127.0.0.1", program.port)).toBe(false)
})
