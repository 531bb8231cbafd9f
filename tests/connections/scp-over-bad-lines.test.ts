import { describe, expect, test } from "bun:test"
import { SCPRequestPipeLine, type SCPRequestPipeLineOptions } from "../../src/connections/scp-request-pipeline.ts"
import { Command, Result, type ScpRequest } from "../../src/protocol/scp.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { ScriptedScp } from "./scripted-scp.ts"

/** Loses a fifth of everything, doubles a tenth, delays by up to 1.5 s, and refuses one in twenty with a retryable code. */
function badLine(seed: number): ScriptedScp {
  const board = new ScriptedScp()
  const random = seededRandom(seed)
  board.beforeSend = (request: ScpRequest) => {
    const copies = random() < 0.1 ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (random() < 0.2) continue
      const result = random() < 0.05 ? Result.P2P_NOREPLY : Result.OK
      const body = new Uint8Array(4)
      new DataView(body.buffer).setUint32(0, request.arg1)
      board.clock.after(random() * 1500, () => void board.reply(request.sequence, result, body))
    }
  }
  return board
}

describe("a pipeline over a bad line", () => {
  test.each<[SCPRequestPipeLineOptions["deadline"] & string, number]>([
    ["connection", 1],
    ["connection", 2],
    ["request", 3],
    ["request", 4],
  ])("by %s, seed %p: every request ends with its own reply", async (deadline, seed) => {
    const board = badLine(seed)
    const pipeline = new SCPRequestPipeLine(board, { clock: board.clock, deadline, retries: 30, firstSequence: 65_500 })
    const wanted = Array.from({ length: 200 }, (_, index) => index * 7919)
    let got = 0
    const all = Promise.all(
      wanted.map(async (arg1) => {
        const { body } = await pipeline.request({ command: Command.READ, destX: 0, destY: 0, arg1 })
        expect(new DataView(body.buffer, body.byteOffset).getUint32(0)).toBe(arg1)
        got++
      }),
    )
    for (let step = 0; step < 20_000 && got < wanted.length; step++) {
      await board.pass(25)
      expect(pipeline.inFlight).toBeLessThanOrEqual(8)
    }
    await all
    expect(pipeline.nResent).toBeGreaterThan(10)
  })
})
