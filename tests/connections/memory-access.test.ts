import { describe, expect, test } from "bun:test"
import {
  SpinnmanGenericProcessException,
  SpinnmanInvalidParameterException,
  SpinnmanTimeoutException,
} from "../../src/connections/exceptions.ts"
import {
  memoryBlocks,
  readMemory,
  TransferUnit,
  transferUnit,
  writeMemory,
} from "../../src/connections/memory-access.ts"
import { SCPRequestPipeLine } from "../../src/connections/scp-request-pipeline.ts"
import { Command, Result } from "../../src/protocol/scp.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { errorOf } from "./peer.ts"
import { ScriptedScp } from "./scripted-scp.ts"

/** A board with memory from `base` on. */
function board(bytes: number, base = 0x60000000) {
  const scp = new ScriptedScp()
  const memory = new Uint8Array(bytes).map((_, at) => (at * 7) & 0xff)
  scp.respond = ({ command, arg1, arg2, data }) => {
    const at = arg1 - base
    if (command === Command.READ) return { body: memory.slice(at, at + arg2) }
    memory.set(data, at)
    return {}
  }
  return { scp, memory, base, pipeline: new SCPRequestPipeLine(scp, { clock: scp.clock }) }
}

describe("blocks", () => {
  test.each([
    [0, 4, TransferUnit.word],
    [0x60000000, 256, TransferUnit.word],
    [2, 4, TransferUnit.half],
    [4, 6, TransferUnit.half],
    [1, 4, TransferUnit.byte],
    [4, 3, TransferUnit.byte],
  ])("address %p, length %p goes by unit %p", (address, length, unit) => {
    expect(transferUnit(address, length)).toBe(unit)
  })

  test.each([
    [0, 0, []],
    [0, 4, [4]],
    [0, 600, [256, 256, 88]],
    [3, 600, [1, 256, 256, 84, 3]],
    [2, 2, [2]],
    [0, 3, [3]],
    [1, 2, [2]],
  ])("%p bytes on, %p bytes are cut into %p", (address, length, sizes) => {
    expect([...memoryBlocks(address, length)].map((block) => block.length)).toEqual(sizes)
  })

  test("blocks join up, none over 256 bytes, none between words but the first", () => {
    const random = seededRandom(3)
    for (let round = 0; round < 2000; round++) {
      const address = Math.floor(random() * 64)
      const length = Math.floor(random() * 2000)
      let next = 0
      for (const block of memoryBlocks(address, length)) {
        expect([block.offset, block.address]).toEqual([next, address + next])
        expect(block.length).toBeWithin(1, 257)
        if (next > 0) expect(block.address % 4).toBe(0)
        next += block.length
      }
      expect(next).toBe(length)
    }
  })
})

describe("readMemory and writeMemory", () => {
  test("what is written is read back, with progress to the last byte", async () => {
    const { pipeline, memory, base } = board(3000)
    const data = new Uint8Array(2501).map((_, at) => (at * 13) & 0xff)
    const steps: number[] = []
    await writeMemory(pipeline, { address: base + 3, data }, (done, total) => {
      expect(total).toBe(2501)
      steps.push(done)
    })
    expect(memory.subarray(3, 2504)).toEqual(data)
    expect(steps.at(-1)).toBe(2501)
    expect(await readMemory(pipeline, { address: base + 3, length: 2501 })).toEqual(data)
  })

  test("requests name chip, core, address, length and unit", async () => {
    const { scp, pipeline, base } = board(64)
    await readMemory(pipeline, { x: 3, y: 4, cpu: 5, address: base, length: 8 })
    const [{ sdp, ...request } = expect.unreachable()] = scp.sent
    expect([sdp.destX, sdp.destY, sdp.destCpu]).toEqual([3, 4, 5])
    expect([request.command, request.arg1, request.arg2, request.arg3]).toEqual([Command.READ, base, 8, 2])
    await readMemory(pipeline, { address: base, length: 1 })
    expect([scp.sent[1]?.sdp.destX, scp.sent[1]?.sdp.destY, scp.sent[1]?.arg3]).toEqual([255, 255, 0])
  })

  test("eight blocks are in flight", async () => {
    const { scp, pipeline, base } = board(0)
    scp.respond = () => undefined
    const reading = errorOf(readMemory(pipeline, { address: base, length: 256 * 20 }))
    await scp.settle()
    expect(scp.sent.length).toBe(8)
    scp.close()
    await reading
  })

  test("nothing is nothing: no request", async () => {
    const { scp, pipeline, base } = board(0)
    expect(await readMemory(pipeline, { address: base, length: 0 })).toEqual(new Uint8Array(0))
    expect(scp.sent).toEqual([])
  })

  test("a board that refuses one block ends it, with the reason and without asking for all the rest", async () => {
    const { scp, pipeline, base } = board(0)
    scp.respond = ({ arg1 }) => (arg1 === base ? { result: Result.ARG } : { body: new Uint8Array(256) })
    const error = await errorOf(readMemory(pipeline, { address: base, length: 256 * 1000 }))
    expect(error).toBeInstanceOf(SpinnmanGenericProcessException)
    expect(error.message).toContain("Unexpected response ARG to READ")
    expect(scp.sent.length).toBeLessThan(20)
  })

  test("a board that dies half way is a time-out", async () => {
    const { scp, pipeline, base } = board(4096)
    const answer = scp.respond
    scp.respond = (request) => (request.arg1 < base + 1024 ? answer(request) : undefined)
    const error = errorOf(writeMemory(pipeline, { address: base, data: new Uint8Array(4096) }))
    await scp.settle()
    for (let second = 0; second < 11; second++) await scp.pass(1000)
    expect((await error).cause).toBeInstanceOf(SpinnmanTimeoutException)
  })

  test("a reply of another length is no data", async () => {
    const { scp, pipeline, base } = board(0)
    scp.respond = () => ({ body: new Uint8Array(7) })
    const error = await errorOf(readMemory(pipeline, { address: base, length: 8 }))
    expect(error.message).toContain("7 bytes from READ of 255,255, expected 8")
  })

  test.each([
    [-1, 4],
    [2 ** 32, 0],
    [0xffffffff, 2],
    [0, 1.5],
  ])("a stretch at %p of %p bytes is refused", async (address, length) => {
    const { pipeline } = board(0)
    expect(await errorOf(readMemory(pipeline, { address, length }))).toBeInstanceOf(SpinnmanInvalidParameterException)
  })
})
