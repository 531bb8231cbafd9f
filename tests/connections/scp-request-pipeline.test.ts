import { describe, expect, test } from "bun:test"
import {
  SpinnmanEOFException,
  SpinnmanGenericProcessException,
  SpinnmanGroupedProcessException,
  SpinnmanIOException,
  SpinnmanTimeoutException,
  SpinnmanUnexpectedResponseCodeException,
} from "../../src/connections/exceptions.ts"
import type { SCPRequest } from "../../src/connections/scp-connection.ts"
import {
  PIPELINE_WAITING_LIMIT,
  SCPRequestPipeLine,
  type SCPRequestPipeLineOptions,
} from "../../src/connections/scp-request-pipeline.ts"
import { Command, Result } from "../../src/protocol/scp.ts"
import { errorOf, hex } from "./peer.ts"
import { ScriptedScp } from "./scripted-scp.ts"

const VER: SCPRequest = { command: Command.VER, destX: 1, destY: 2 }

function make(options: SCPRequestPipeLineOptions = {}) {
  const board = new ScriptedScp()
  return { board, pipeline: new SCPRequestPipeLine(board, { clock: board.clock, ...options }) }
}

describe("a request", () => {
  test("resolves with its reply, found by sequence and not by order", async () => {
    const { board, pipeline } = make()
    const [first, second] = [pipeline.request(VER), pipeline.request(VER)]
    await board.settle()
    expect(board.taken()).toEqual([0, 1])
    await board.reply(1, Result.OK, hex("bb"))
    await board.reply(0, Result.OK, hex("aa"))
    expect((await first).body).toEqual(hex("aa"))
    expect((await second).body).toEqual(hex("bb"))
    expect(board.clock.pending).toBe(0)
  })

  test("a reply that nobody waits for, a second one and junk change nothing", async () => {
    const { board, pipeline } = make()
    const mine = pipeline.request(VER)
    await board.settle()
    await board.reply(77, Result.CPU)
    board.deliver(hex("0102"))
    await board.reply(0, Result.OK, hex("aa"))
    expect((await mine).body).toEqual(hex("aa"))
    const next = pipeline.request(VER)
    await board.settle()
    await board.reply(0, Result.OK, hex("bb"))
    await board.reply(1, Result.OK, hex("cc"))
    expect((await next).body).toEqual(hex("cc"))
  })

  test("an unexpected result rejects with the command, the place and the code", async () => {
    const { board, pipeline } = make()
    const error = errorOf(pipeline.request(VER))
    await board.settle()
    await board.reply(0, Result.CPU)
    const unexpected = (await error) as SpinnmanUnexpectedResponseCodeException
    expect(unexpected).toBeInstanceOf(SpinnmanUnexpectedResponseCodeException)
    expect([unexpected.result, unexpected.response, unexpected.command]).toEqual([Result.CPU, "CPU", Command.VER])
    expect(unexpected.message).toBe("Unexpected response CPU to VER while performing VER of 1,2")
  })
})

describe("sending again", () => {
  test("without any reply it is sent 1 + 10 times, a second apart, and times out", async () => {
    const { board, pipeline } = make()
    const error = errorOf(pipeline.request(VER))
    await board.settle()
    for (let second = 1; second <= 10; second++) {
      await board.pass(999)
      expect(board.sent.length).toBe(second)
      await board.pass(1)
      expect(board.sent.length).toBe(second + 1)
    }
    await board.pass(1000)
    expect(board.taken()).toEqual(Array(11).fill(0))
    expect(await error).toBeInstanceOf(SpinnmanTimeoutException)
    expect((await error).message).toBe("No reply to VER of 1,2 within 1 s, sent 11 times")
    expect([pipeline.nTimeouts, pipeline.nResent, pipeline.nRetryCodeResent]).toEqual([11, 10, 0])
  })

  test("a time-out sends everything that is outstanding again", async () => {
    const { board, pipeline } = make()
    const all = [VER, VER, VER].map((request) => pipeline.request(request))
    await board.settle()
    board.taken()
    await board.reply(1)
    await board.pass(1000)
    expect(board.taken()).toEqual([0, 2])
    for (const sequence of [0, 2]) await board.reply(sequence)
    await Promise.all(all)
  })

  test("with a time for each request, only the late one is sent again", async () => {
    const { board, pipeline } = make({ deadline: "request", timeoutMs: 500 })
    const early = pipeline.request(VER)
    await board.settle()
    await board.pass(300)
    const late = pipeline.request(VER)
    await board.settle()
    board.taken()
    await board.pass(200)
    expect(board.taken()).toEqual([0])
    for (const sequence of [0, 1]) await board.reply(sequence)
    await Promise.all([early, late])
  })

  test.each(["TIMEOUT", "P2P_TIMEOUT", "LEN", "P2P_NOREPLY"] as const)(
    "after %s it is sent again 0.1 s later",
    async (code) => {
      const { board, pipeline } = make()
      const mine = pipeline.request(VER)
      await board.settle()
      await board.reply(0, Result[code])
      await board.pass(99)
      expect(board.sent.length).toBe(1)
      await board.pass(1)
      expect(board.sent.length).toBe(2)
      await board.reply(0)
      await mine
      expect(pipeline.nRetryCodeResent).toBe(1)
    },
  )

  test("P2P_BUSY is an error unless it is among the retryable codes", async () => {
    const { board, pipeline } = make({ retryable: new Set([Result.P2P_BUSY]) })
    const busy = pipeline.request(VER)
    await board.settle()
    await board.reply(0, Result.P2P_BUSY)
    await board.pass(100)
    await board.reply(0)
    await busy
    const length = errorOf(pipeline.request(VER))
    await board.settle()
    await board.reply(1, Result.LEN)
    expect(await length).toBeInstanceOf(SpinnmanUnexpectedResponseCodeException)
  })

  test("tries that failed for different reasons end in an IO exception that names them", async () => {
    const { board, pipeline } = make({ retries: 1 })
    const error = errorOf(pipeline.request(VER))
    await board.settle()
    await board.reply(0, Result.P2P_NOREPLY)
    await board.pass(100)
    await board.pass(1000)
    expect(await error).toBeInstanceOf(SpinnmanIOException)
    expect((await error).message).toBe("Errors sending VER of 1,2, tried 2 times: P2P_NOREPLY, timeout")
  })

  test("a system that refuses to send is tried twice, then counts as a lost try", async () => {
    const { board, pipeline } = make({ retries: 1 })
    let refusals = 0
    board.beforeSend = () => {
      refusals++
      throw new SpinnmanIOException("refused", { code: "ECONNREFUSED" })
    }
    const error = errorOf(pipeline.request(VER))
    await board.settle()
    expect(refusals).toBe(2)
    await board.pass(1000)
    await board.pass(1000)
    expect(((await error) as SpinnmanIOException).message).toContain("ECONNREFUSED")
    expect(refusals).toBe(4)
  })
})

describe("the window", () => {
  test("eight are in flight, the ninth goes when one is answered", async () => {
    const { board, pipeline } = make()
    const all = Array.from({ length: 10 }, () => pipeline.request(VER))
    await board.settle()
    expect(board.taken()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    await board.reply(3)
    expect(board.taken()).toEqual([8])
    await board.reply(4)
    expect(board.taken()).toEqual([9])
    for (const sequence of [0, 1, 2, 5, 6, 7, 8, 9]) await board.reply(sequence)
    await Promise.all(all)
    expect(pipeline.inFlight).toBe(0)
  })

  test("a window of 3 that drains to 1 then fills up at once", async () => {
    const { board, pipeline } = make({ channels: 3, intermediateChannelWaits: 1 })
    for (let request = 0; request < 6; request++) pipeline.request(VER).catch(() => {})
    await board.settle()
    expect(board.taken()).toEqual([0, 1, 2])
    await board.reply(0)
    expect(board.taken()).toEqual([])
    await board.reply(1)
    expect(board.taken()).toEqual([3, 4])
    board.close()
  })

  test("awaiting sendRequest is the brake; without it the queue has a limit", async () => {
    const { board, pipeline } = make()
    const outcomes = Array.from({ length: PIPELINE_WAITING_LIMIT + 9 }, () =>
      pipeline.sendRequest(VER).then(
        () => "sent",
        (error: Error) => error.message,
      ),
    )
    expect(await outcomes.at(-1)).toContain("await sendRequest")
    await board.settle()
    expect(board.sent.length).toBe(8)
  })
})

describe("finish", () => {
  test("resolves when everything is answered", async () => {
    const { board, pipeline } = make()
    const bodies: Uint8Array[] = []
    for (let request = 0; request < 3; request++) await pipeline.sendRequest(VER, ({ body }) => bodies.push(body))
    let finished = false
    const finishing = pipeline.finish().then(() => {
      finished = true
    })
    for (const sequence of [0, 1]) await board.reply(sequence)
    expect(finished).toBe(false)
    await board.reply(2)
    await finishing
    expect(bodies.length).toBe(3)
  })

  test("one failure is a generic, several are a grouped process exception, told once", async () => {
    const { board, pipeline } = make()
    await pipeline.sendRequest(VER)
    await board.reply(0, Result.CPU)
    expect(pipeline.failed).toBe(true)
    const one = (await errorOf(pipeline.finish())) as SpinnmanGenericProcessException
    expect(one).toBeInstanceOf(SpinnmanGenericProcessException)
    expect(one.exception).toBeInstanceOf(SpinnmanUnexpectedResponseCodeException)
    expect(one.cause).toBe(one.exception)
    for (const sequence of [1, 2]) {
      await pipeline.sendRequest(VER)
      await board.reply(sequence, Result.ARG)
    }
    const several = (await errorOf(pipeline.finish())) as SpinnmanGroupedProcessException
    expect(several).toBeInstanceOf(SpinnmanGroupedProcessException)
    expect(several.exceptions.length).toBe(2)
    await pipeline.finish()
  })

  test("failures with a callback of their own are not told again", async () => {
    const { board, pipeline } = make()
    const failed: SCPRequest[] = []
    await pipeline.sendRequest(VER, undefined, (request) => failed.push(request))
    await board.reply(0, Result.ARG)
    await pipeline.finish()
    expect(failed).toEqual([VER])
  })

  test("a callback that throws fails its own request only", async () => {
    const { board, pipeline } = make()
    await pipeline.sendRequest(VER, () => {
      throw new Error("mine")
    })
    const other = pipeline.request(VER)
    await board.settle()
    await board.reply(0)
    await board.reply(1)
    await other
    expect((await errorOf(pipeline.finish())).message).toBe("mine")
  })
})

describe("the end", () => {
  test("closing the connection fails what is in flight with EOF", async () => {
    const { board, pipeline } = make()
    const errors = [errorOf(pipeline.request(VER)), errorOf(pipeline.request(VER))]
    await board.settle()
    board.close()
    for (const error of errors) expect(await error).toBeInstanceOf(SpinnmanEOFException)
  })

  test("a signal fails what is in flight and what wants to be with its reason", async () => {
    const stop = new AbortController()
    const { board, pipeline } = make({ signal: stop.signal, channels: 1, intermediateChannelWaits: 0 })
    const errors = [errorOf(pipeline.request(VER)), errorOf(pipeline.request(VER))]
    await board.settle()
    stop.abort(new Error("enough"))
    for (const error of errors) expect((await error).message).toBe("enough")
    expect((await errorOf(pipeline.request(VER))).message).toBe("enough")
  })
})
