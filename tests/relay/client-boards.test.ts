import { describe, expect, test } from "bun:test"
import { freePorts } from "../../scripts/lib/free-port.ts"
import { MuxNotice } from "../../src/protocol/mux.ts"
import { type BoardInfo, encodeBoardList, MAX_BOARDS } from "../../src/relay/board-list.ts"
import { ClientBoards } from "../../src/relay/client-boards.ts"
import { memoryPair } from "../../src/transport/memory.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { testContext, testSettings } from "../support/chain.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { randomBytes } from "../support/fuzz.ts"
import { closing, manyLoopbacks } from "../support/udp.ts"

const BIND = "127.43.1.1"

/** A client's boards without a server: lists are handed to them. */
async function setup() {
  const [scpPort, bootPort] = (await freePorts(2)) as [number, number]
  const context = testContext()
  const line = { clock: new FakeClock(), random: seededRandom(1), drops: context.observer }
  const boards = closing(
    await ClientBoards.open({
      settings: testSettings({ target: "server.example", scpPort, bootPort, bind: [BIND] }),
      context,
      dial: () => () => memoryPair(line, { first: "client", second: "server" })[0],
      tags: () => ({ stage: (link) => link, keeps: () => false }),
    }),
  )
  boards.start()
  const told = () => context.observer.of("board-address").map(({ board, address }) => `${board} ${address}`)
  const hear = async (list: readonly BoardInfo[]) => {
    boards.noticed({ kind: MuxNotice.boards, board: "", payload: encodeBoardList(list) })
    await boards.settled()
  }
  return { boards, observer: context.observer, told, hear }
}

const board = (name: string): BoardInfo => ({ name, kind: "board" })

describe.if(manyLoopbacks)("ClientBoards", () => {
  test("tells of each board once, however often the list comes, and adds what a later list adds", async () => {
    const { told, hear } = await setup()
    await hear([board("a"), board("b")])
    await hear([board("a"), board("b")])
    await hear([board("a"), board("b"), { name: "c", kind: "bmp" }])
    expect(told()).toEqual([`a ${BIND}`, "b 127.43.1.2", "c 127.43.1.3"])
  })

  test("tells once of a board that is not served any more, and where it is when it is again", async () => {
    const { observer, told, hear } = await setup()
    const gone = () => observer.of("board-gone").map(({ board, address }) => `${board} ${address}`)
    await hear([board("a"), board("b")])
    await hear([board("b")])
    await hear([board("b")])
    expect(gone()).toEqual([`a ${BIND}`])
    await hear([board("b"), board("a")])
    expect(told()).toEqual([`a ${BIND}`, "b 127.43.1.2", `a ${BIND}`])
    for (let round = 0; round < 2 * MAX_BOARDS; round++)
      await hear(round % 2 === 0 ? [board("a")] : [board("a"), board("b")])
    expect(gone()).toHaveLength(MAX_BOARDS)
  })

  test("lists that come in one moment are taken in one after the other", async () => {
    const { boards, told } = await setup()
    for (const list of [
      [board("a"), board("b")],
      [board("a"), board("b"), board("c")],
    ]) {
      boards.noticed({ kind: MuxNotice.boards, board: "", payload: encodeBoardList(list) })
    }
    await boards.settled()
    expect(told()).toEqual([`a ${BIND}`, "b 127.43.1.2", "c 127.43.1.3"])
  })

  test("a server that tells nonsense is counted, and one that renames its boards fills no memory", async () => {
    const { boards, observer, told, hear } = await setup()
    const random = seededRandom(3)
    for (let round = 0; round < 50; round++) {
      boards.noticed({ kind: round % 4, board: "?", payload: randomBytes(random, 30) })
    }
    await boards.settled()
    expect(observer.dropped.get("malformed")).toBeGreaterThan(10)
    for (let round = 0; round < 2 * MAX_BOARDS; round++) await hear([board(`name-${round}`)])
    expect(told()).toHaveLength(MAX_BOARDS)
    expect(observer.of("internal-error")).toEqual([])
  })

  test("closed while it opens a board's ports, it leaves none open", async () => {
    const { boards, told } = await setup()
    boards.noticed({ kind: MuxNotice.boards, board: "", payload: encodeBoardList([board("a"), board("b")]) })
    boards.close()
    await boards.settled()
    expect(told().filter((line) => line.startsWith("b"))).toEqual([])
    expect(boards.flowCount).toBe(0)
  })
})
