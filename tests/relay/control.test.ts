import { describe, expect, test } from "bun:test"
import type { StatusReport } from "../../src/observe/status.ts"
import {
  answerControl,
  ControlError,
  type ControlHandlers,
  controlAnswers,
  readControlRequest,
  WATCH_MS,
} from "../../src/relay/control.ts"
import { StoreError } from "../../src/relay/secret-store.ts"
import type { ControlPeer } from "../../src/transport/control-listener.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { mutate, utf8 } from "../support/fuzz.ts"

const STATUS: StatusReport = {
  ...{ version: "1", name: "pi", pid: 1, uptimeMs: 0, listening: [], legacy: [] },
  ...{ boards: [], sessions: [], strangers: 0, drops: {}, refusals: {} },
}

/** Handlers that say what they were asked. */
function handlers(change: Partial<ControlHandlers> = {}): ControlHandlers {
  return {
    status: () => STATUS,
    invites: () => [],
    invite: ({ name, hosts }) => ({ ticket: name, addresses: hosts, serverName: "pi", expiresAt: 1 }),
    revoke: () => ({ keys: 1, sessions: 2 }),
    kick: () => ({ sessions: 1, boards: ["a"] }),
    reload: () => Promise.resolve({ changes: ["b added"] }),
    ...change,
  }
}

function peerOf() {
  const peer = {
    sent: [] as unknown[],
    isDone: false,
    isClear: true,
    send: (reply: unknown) => void peer.sent.push(reply),
    done: () => {
      peer.isDone = true
    },
    onGone: () => {},
  }
  return peer satisfies ControlPeer
}

const settled = () => new Promise<void>((done) => setImmediate(done))
const INVITE = { command: "invite", name: "alice", hosts: ["pi"], boards: ["a"], expiresMs: 60_000 }

describe("a request", () => {
  const answers: [request: object, result: unknown][] = [
    [{ command: "status" }, STATUS],
    [{ command: "invites" }, []],
    [INVITE, { ticket: "alice", addresses: ["pi"], serverName: "pi", expiresAt: 1 }],
    [
      { command: "revoke", name: "alice" },
      { keys: 1, sessions: 2 },
    ],
    [
      { command: "kick", name: "alice" },
      { sessions: 1, boards: ["a"] },
    ],
    [{ command: "reload" }, { changes: ["b added"] }],
  ]
  test.each(answers)("%j is answered", async (request, result) => {
    const peer = peerOf()
    controlAnswers(handlers(), new FakeClock())(request, peer)
    await settled()
    expect(peer.sent).toEqual([{ ok: true, result }])
    expect(peer.isDone).toBe(true)
  })

  test.each([
    new ControlError("no user alice"),
    new StoreError("Cannot write keys.json: the disk is full; make room and try again."),
  ])("that cannot be done is answered in the words of %s", async (error) => {
    const fail = () => {
      throw error
    }
    const request = { command: "revoke", name: "alice" } as const
    expect(await answerControl(request, handlers({ revoke: fail }))).toEqual({ ok: false, error: error.message })
    const reload = () => Promise.reject(error)
    expect(await answerControl({ command: "reload" }, handlers({ reload }))).toEqual({
      ok: false,
      error: error.message,
    })
  })

  test("that meets a fault is told of it, and nothing else ends", async () => {
    const status = () => (undefined as unknown as { x: StatusReport }).x
    const reply = await answerControl({ command: "status" }, handlers({ status }))
    expect(reply).toMatchObject({ ok: false, error: expect.stringContaining("a fault in the program itself") })
  })

  const none: unknown[][] = [
    [undefined],
    [null],
    ["status"],
    [[]],
    [{}],
    [{ command: "stop" }],
    [{ command: "revoke" }],
    [{ command: "kick", name: "" }],
    [{ command: "kick", name: "a b" }],
    [{ ...INVITE, hosts: "pi" }],
    [{ ...INVITE, hosts: [1] }],
    [{ ...INVITE, boards: "some" }],
    [{ ...INVITE, boards: ["a,b"] }],
    [{ ...INVITE, expiresMs: 59_999 }],
    [{ ...INVITE, expiresMs: Number.POSITIVE_INFINITY }],
    [{ ...INVITE, expiresMs: undefined }],
  ]
  test.each(none)("%j is none", async (said) => {
    expect(readControlRequest(said)).toBeUndefined()
    const peer = peerOf()
    controlAnswers(handlers(), new FakeClock())(said, peer)
    await settled()
    expect(peer.sent).toEqual([{ ok: false, error: expect.stringContaining("not understood") }])
  })

  test("of any bytes is none, or has what its command needs", () => {
    const random = seededRandom(8)
    let read = 0
    for (let i = 0; i < 3000; i++) {
      let said: unknown
      try {
        said = JSON.parse(new TextDecoder().decode(mutate(random, utf8(JSON.stringify(INVITE)))))
      } catch {
        continue
      }
      const request = readControlRequest(said)
      if (request?.command !== "invite") continue
      read++
      expect(request.name.length).toBeWithin(1, 64)
      expect(request.expiresMs).toBeGreaterThanOrEqual(60_000)
    }
    expect(read).toBeGreaterThan(50)
  })
})

describe("a watched status", () => {
  test("is told every second until the asker is gone", async () => {
    const clock = new FakeClock()
    const peer = peerOf()
    controlAnswers(handlers(), clock)({ command: "status", watch: true }, peer)
    await settled()
    expect(peer.sent).toHaveLength(1)
    for (let second = 0; second < 3; second++) {
      clock.advance(WATCH_MS)
      await settled()
    }
    expect(peer.sent).toEqual(Array(4).fill({ ok: true, result: STATUS }))
    expect(peer.isDone).toBe(false)
    peer.onGone()
    clock.advance(10 * WATCH_MS)
    await settled()
    expect(peer.sent).toHaveLength(4)
    expect(clock.pending).toBe(0)
  })

  test("is not piled up for an asker who reads slowly", async () => {
    const clock = new FakeClock()
    const peer = peerOf()
    controlAnswers(handlers(), clock)({ command: "status", watch: true }, peer)
    peer.isClear = false
    clock.advance(5 * WATCH_MS)
    await settled()
    expect(peer.sent).toHaveLength(1)
    peer.isClear = true
    clock.advance(WATCH_MS)
    await settled()
    expect(peer.sent).toHaveLength(2)
  })
})
