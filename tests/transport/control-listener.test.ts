import { afterAll, afterEach, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Clock } from "../../src/transport/clock.ts"
import { systemClock } from "../../src/transport/clock.ts"
import { askControl, type ControlOutcome } from "../../src/transport/control-dial.ts"
import {
  CONTROL_IDLE_MS,
  ControlListenError,
  ControlListener,
  type ControlPeer,
  MAX_CONTROL_PEERS,
  MAX_CONTROL_REQUEST,
} from "../../src/transport/control-listener.ts"
import { MAX_CONTROL_PENDING } from "../../src/transport/control-socket.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { until } from "../support/until.ts"

const scratch = mkdtempSync(join(tmpdir(), "control-"))
let made = 0
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

type Handler = (request: unknown, peer: ControlPeer) => void
const echo: Handler = (request, peer) => {
  peer.send({ echo: request })
  peer.done()
}

function listen(
  onRequest: Handler = echo,
  clock: Clock = systemClock,
  address = join(scratch, `${++made}.sock`),
): string {
  const listener = new ControlListener({ address, clock, onRequest })
  closers.push(() => listener.close())
  return address
}

async function ask(
  address: string,
  request: unknown,
  more: { clock?: Clock; onReply?: (reply: unknown) => boolean; signal?: AbortSignal } = {},
): Promise<{ outcome: ControlOutcome; replies: unknown[] }> {
  const replies: unknown[] = []
  const { clock = systemClock, onReply = () => false, ...rest } = more
  const outcome = await askControl({
    ...{ address, request, clock, timeoutMs: 5000, ...rest },
    onReply(reply) {
      replies.push(reply)
      return onReply(reply)
    },
  })
  return { outcome, replies }
}

/** A connection that writes what it is told and keeps what it hears. */
async function raw(address: string) {
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  let waiting: (() => void) | undefined
  const heard = { text: "" }
  const socket = await Bun.connect({
    unix: address,
    socket: {
      data(_, chunk) {
        heard.text += chunk.toString()
        waiting?.()
      },
      close: () => resolve(),
    },
  })
  const lines = async (count: number): Promise<unknown[]> => {
    while (heard.text.split("\n").length <= count) {
      await new Promise<void>((done) => {
        waiting = done
      })
    }
    return heard.text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
  }
  return { socket, closed, lines }
}

describe("the control endpoint", () => {
  test("answers, and is for its owner only", async () => {
    const address = listen()
    expect((statSync(address).mode & 0o777).toString(8)).toBe("600")
    expect(await ask(address, { a: ["ü"] })).toEqual({ outcome: { ok: true }, replies: [{ echo: { a: ["ü"] } }] })
  })

  test("leaves the process's umask as it was", () => {
    const before = process.umask()
    listen()
    expect(process.umask()).toBe(before)
  })

  test("carries replies of any length", async () => {
    const long = "x".repeat(3_000_000)
    const address = listen((_, peer) => {
      peer.send({ long })
      peer.done()
    })
    expect((await ask(address, 1)).replies).toEqual([{ long }])
  })

  test("answers the requests of one connection one after another", async () => {
    const waiting: (() => void)[] = []
    const address = listen((request, peer) => {
      waiting.push(() => echo(request, peer))
    })
    const peer = await raw(address)
    peer.socket.write("1\n2\n3\n")
    for (let answered = 1; answered <= 3; answered++) {
      await until(() => waiting.length > 0, `request ${answered}`)
      expect(waiting).toHaveLength(1)
      waiting.shift()?.()
      await peer.lines(answered)
    }
    expect(await peer.lines(3)).toEqual([{ echo: 1 }, { echo: 2 }, { echo: 3 }])
    peer.socket.end()
  })

  test("streams until the asker has had enough, and hears of its going", async () => {
    const { promise: gone, resolve } = Promise.withResolvers<void>()
    const address = listen((_, peer) => {
      peer.onGone = resolve
      for (let count = 1; count <= 5; count++) peer.send(count)
    })
    expect(await ask(address, "watch", { onReply: (reply) => reply !== 3 })).toEqual({
      outcome: { ok: true },
      replies: [1, 2, 3],
    })
    await gone
  })

  test("opens anew over what a killed process has left", async () => {
    const address = join(scratch, "stale.sock")
    const code = `Bun.listen({ unix: ${JSON.stringify(address)}, socket: { data() {} } }); process.kill(process.pid, "SIGKILL")`
    await Bun.spawn([process.execPath, "-e", code]).exited
    expect(existsSync(address)).toBe(true)
    expect((await ask(address, 1)).outcome).toMatchObject({ code: "not-running" })
    listen(echo, systemClock, address)
    expect((await ask(address, 1)).replies).toEqual([{ echo: 1 }])
  })

  test("is gone when it is closed", async () => {
    const address = listen()
    for (const close of closers.splice(0)) close()
    expect(existsSync(address)).toBe(false)
    expect((await ask(address, 1)).outcome).toMatchObject({ ok: false, code: "not-running" })
  })

  test("takes nothing away that is no socket, and says what is wrong with a path", () => {
    const address = join(scratch, "file")
    writeFileSync(address, "mine")
    expect(() => listen(echo, systemClock, address)).toThrow("is in the way and no socket")
    expect(existsSync(address)).toBe(true)
    expect(() => listen(echo, systemClock, join(scratch, "x".repeat(120)))).toThrow("choose a shorter one")
    expect(() => listen(echo, systemClock, join(scratch, "none", "x.sock"))).toThrow(ControlListenError)
  })
})

describe("a bad asker", () => {
  test("of no JSON, or of a request without end, is told and cut off", async () => {
    const address = listen()
    for (const text of ["{\n", "x".repeat(MAX_CONTROL_REQUEST + 1)]) {
      const peer = await raw(address)
      peer.socket.write(text)
      expect(await peer.lines(1)).toEqual([{ ok: false, error: expect.stringContaining("the request is none") }])
      await peer.closed
    }
    expect((await ask(address, 1)).outcome.ok).toBe(true)
  })

  test("that says nothing is cut off in the end", async () => {
    const clock = new FakeClock()
    const { promise: opened, resolve } = Promise.withResolvers<void>()
    const address = listen((request, peer) => {
      echo(request, peer)
      resolve()
    }, clock)
    const peer = await raw(address)
    peer.socket.write("1\n")
    await opened
    clock.advance(CONTROL_IDLE_MS)
    await peer.closed
  })

  test("that comes with many connections leaves the others be", async () => {
    const address = listen()
    const peers = await Promise.all(Array.from({ length: MAX_CONTROL_PEERS }, () => raw(address)))
    peers[0]!.socket.write("1\n")
    expect(await peers[0]!.lines(1)).toEqual([{ echo: 1 }])
    expect((await ask(address, 1)).outcome).toMatchObject({ ok: false, code: "lost" })
    for (const { socket } of peers) socket.end()
    await Promise.all(peers.map(({ closed }) => closed))
    expect((await ask(address, 1)).outcome.ok).toBe(true)
  })

  test("that reads nothing is cut off when too much waits for it", async () => {
    const { promise: gone, resolve } = Promise.withResolvers<void>()
    const address = listen((_, peer) => {
      peer.onGone = resolve
      for (let sent = 0; sent < MAX_CONTROL_PENDING + (4 << 20); sent += 1 << 20) peer.send("x".repeat(1 << 20))
    })
    const peer = await raw(address)
    peer.socket.pause()
    peer.socket.write("1\n")
    await gone
    peer.socket.terminate()
  })
})

describe("asking", () => {
  test("where nobody is, is told at once", async () => {
    expect((await ask(join(scratch, "nobody.sock"), 1)).outcome).toMatchObject({ ok: false, code: "not-running" })
  })

  test("who does not answer ends after the time-out, which each reply renews", async () => {
    const clock = new FakeClock()
    const { promise: asked, resolve } = Promise.withResolvers<ControlPeer>()
    const address = listen((_, peer) => resolve(peer))
    const { promise: heard, resolve: hear } = Promise.withResolvers<void>()
    const result = ask(address, 1, {
      clock,
      onReply: () => {
        hear()
        return true
      },
    })
    const peer = await asked
    clock.advance(4999)
    peer.send("still here")
    await heard
    clock.advance(4999)
    expect(clock.pending).toBe(1)
    clock.advance(1)
    expect(await result).toEqual({
      outcome: { ok: false, code: "no-answer", detail: "no answer in 5 s" },
      replies: ["still here"],
    })
  })

  test("ends with what the asker throws over a reply", async () => {
    const address = listen()
    const onReply = () => {
      throw new Error("not what I wanted")
    }
    expect(ask(address, 1, { onReply })).rejects.toThrow("not what I wanted")
  })

  test("can be given up", async () => {
    const address = listen(() => {})
    const stop = new AbortController()
    const result = ask(address, 1, { signal: stop.signal })
    stop.abort()
    expect((await result).outcome).toEqual({ ok: true })
    expect((await ask(address, 1, { signal: stop.signal })).outcome).toEqual({ ok: true })
  })

  test("whoever ends without an answer, or answers no JSON, is told", async () => {
    const address = join(scratch, "odd.sock")
    let answer = ""
    const server = Bun.listen({
      unix: address,
      socket: {
        data(socket) {
          socket.end(answer)
        },
      },
    })
    closers.push(() => server.stop(true))
    expect((await ask(address, 1)).outcome).toMatchObject({ ok: false, code: "lost" })
    answer = "<html>\n"
    expect((await ask(address, 1)).outcome).toMatchObject({ ok: false, detail: "the reply is none: not-json" })
  })
})
