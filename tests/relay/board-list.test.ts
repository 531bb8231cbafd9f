import { describe, expect, test } from "bun:test"
import { MUX_MAX_NOTICE } from "../../src/protocol/mux.ts"
import { type BoardInfo, decodeBoardList, encodeBoardList, MAX_BOARDS } from "../../src/relay/board-list.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { integer, mutate, randomBytes, utf8 } from "../support/fuzz.ts"

const BOARDS: BoardInfo[] = [
  { name: "board.example", kind: "board" },
  { name: "192.0.2.9", kind: "board", host: "192.0.2.9", type: "spin5" },
  { name: "2001:db8::1", kind: "bmp" },
  { name: "плата.example", kind: "board" },
]
const decode = (value: unknown) => decodeBoardList(utf8(JSON.stringify(value)))

describe("the list of boards", () => {
  test("is read as it was written", () => {
    expect(decodeBoardList(encodeBoardList(BOARDS))).toEqual(BOARDS)
  })

  test("fits into a notice, however long the names are", () => {
    const longest = Array.from({ length: MAX_BOARDS }, (_, index) => ({
      name: `${index}`.padStart(253, "b"),
      kind: "board" as const,
      host: "192.168.240.240",
      type: "spin5" as const,
    }))
    expect(encodeBoardList(longest).length).toBeLessThanOrEqual(MUX_MAX_NOTICE)
  })

  test.each([
    ["no JSON", utf8("{")],
    ["no list", utf8("{}")],
    ["null", utf8("null")],
    ["a name that could steer a terminal", encodeBoardList([{ name: "a\x1b[2J", kind: "board" }])],
    ["a name with a space", encodeBoardList([{ name: "a b", kind: "board" }])],
    ["an empty name", encodeBoardList([{ name: "", kind: "board" }])],
    ["too many", encodeBoardList(new Array(MAX_BOARDS + 1).fill(BOARDS[0]))],
  ])("is refused: %s", (_what, payload) => {
    expect(decodeBoardList(payload)).toBeUndefined()
  })

  test("leaves out kinds, fields and addresses that it does not know, and repeats", () => {
    const later = { name: "x", kind: "camera" }
    const odd = { name: "a", kind: "board", host: "not.an.address", colour: "red", type: "spin9" }
    expect(decode({ boards: [later, odd, odd], more: 1 })).toEqual([{ name: "a", kind: "board" }])
  })

  test("never throws, whatever comes", () => {
    const random = seededRandom(6)
    const whole = encodeBoardList(BOARDS)
    for (let round = 0; round < 1_000; round++) {
      decodeBoardList(round % 2 ? mutate(random, whole) : randomBytes(random, integer(random, 0, 200)))
    }
    for (const value of [[], 5, "x", { boards: [null, 5, [], "x"] }]) expect(decode(value)).toBeUndefined()
  })
})
