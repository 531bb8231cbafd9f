import { describe, expect, test } from "bun:test"
import {
  type ClientHello,
  encodeBody,
  encodeHello,
  type HelloMessage,
  readHello,
  type ServerHello,
} from "../../../src/protocol/tunnel-hello.ts"
import { seededRandom } from "../../../src/transport/random.ts"
import { answerClient, beginHandshake, judgeClient } from "../../../src/transport/tunnel/handshake.ts"
import type { TunnelKey } from "../../../src/transport/tunnel/keys.ts"
import { seal } from "../../../src/transport/tunnel/proof.ts"
import { integer, mutate, randomBytes, utf8 } from "../../support/fuzz.ts"
import { FakeKeys } from "../../support/tunnel.ts"

const random = seededRandom(3)
const EXPORTER = randomBytes(random, 32)
const ELSEWHERE = randomBytes(random, 32)
const WELCOME: ServerHello = { session: "s", resumed: false, name: "pi", resumeMs: 60_000 }

const keys = new FakeKeys()
const alice = keys.add("alice") as TunnelKey
const bob = keys.add("bob") as TunnelKey

function whole(bytes: Uint8Array): HelloMessage {
  const reading = readHello(bytes)
  if (reading.state !== "whole") throw new Error(reading.state)
  return reading.message
}

const begin = (secret: Uint8Array, exporter = EXPORTER, hello: ClientHello = { key: alice.id }) =>
  beginHandshake(secret, exporter, hello)

/** What the server makes of a client with that secret, over its end of the channel. */
function judge(secret: Uint8Array, options: { clientAt?: Uint8Array; id?: string } = {}) {
  const { clientAt = EXPORTER, id = alice.id } = options
  return judgeClient(whole(begin(secret, clientAt, { key: id }).message), EXPORTER, keys)
}

describe("judgeClient", () => {
  test("lets in who proves a key over this channel, with what was asked", () => {
    const { message } = begin(alice.secret, EXPORTER, { key: alice.id, resume: "s", device: "laptop" })
    expect(judgeClient(whole(message), EXPORTER, keys)).toEqual({
      ok: true,
      key: alice,
      hello: { key: alice.id, resume: "s", device: "laptop", seal: seal(alice.secret, EXPORTER) },
    })
  })

  test("refuses another's key, another channel's proof and a key that is not known, with the same bytes", () => {
    const verdicts = [
      judge(bob.secret),
      judge(new Uint8Array(32)),
      judge(alice.secret, { clientAt: ELSEWHERE }),
      judge(alice.secret, { id: "nobody" }),
      // What a careless server compares with where it knows no key.
      judge(new Uint8Array(32), { id: "nobody" }),
    ]
    const reasons: string[] = verdicts.map((verdict) => (verdict.ok ? "let in" : verdict.reason))
    expect(reasons).toEqual(["wrong-proof", "wrong-proof", "interposed", "unknown-key", "unknown-key"])
    const answers = verdicts.map((verdict) => (verdict.ok ? "" : Buffer.from(verdict.answer!).toString("hex")))
    expect(new Set(answers).size).toBe(1)
  })

  test("tells who proves a key that is good no more why, and nobody else that it ever was", () => {
    const unknown = judge(alice.secret, { id: "nobody" })
    for (const state of ["used", "expired", "revoked"] as const) {
      const key = keys.add("carol")
      keys.end(key.id, state)
      const handshake = begin(key.secret, EXPORTER, { key: key.id })
      const verdict = judgeClient(whole(handshake.message), EXPORTER, keys)
      if (verdict.ok || unknown.ok) throw new Error("let in")
      expect(verdict.reason).toMatch(state)
      expect(handshake.read(whole(verdict.answer!))).toMatchObject({
        ...{ kind: "refused", proved: true, detail: expect.stringContaining(state) },
      })
      expect(judge(bob.secret, { id: key.id })).toMatchObject({ reason: "wrong-proof", answer: unknown.answer })
    }
  })

  test("has no answer for words that are none", () => {
    for (const body of [utf8("{"), encodeBody(WELCOME)]) {
      const message = whole(encodeHello(body, new Uint8Array(32)))
      expect(judgeClient(message, EXPORTER, keys)).toEqual({ ok: false, reason: "malformed", answer: undefined })
    }
  })

  test("lets nothing in that was changed on the way, wherever", () => {
    const { message } = begin(alice.secret, EXPORTER, { key: alice.id, device: "laptop" })
    for (let at = 8; at < message.length; at++) {
      const changed = Uint8Array.from(message)
      changed[at]! ^= 1 << integer(random, 0, 7)
      expect([at, judgeClient(whole(changed), EXPORTER, keys).ok]).toEqual([at, false])
    }
    for (let round = 0; round < 2_000; round++) {
      const reading = readHello(mutate(random, message))
      if (reading.state !== "whole") continue
      const same = Buffer.concat([reading.message.body, reading.message.proof]).equals(message.subarray(8))
      expect(judgeClient(reading.message, EXPORTER, keys).ok).toBe(same)
    }
  })
})

describe("a client's handshake", () => {
  const handshake = begin(alice.secret)
  const said = whole(handshake.message)

  test("believes a server that knows the key, over the same channel, and in answer to what was said", () => {
    expect(handshake.read(whole(answerClient(alice, EXPORTER, said, WELCOME)))).toEqual({
      kind: "welcome",
      welcome: WELCOME as Extract<ServerHello, { session: string }>,
    })
  })

  test("finds out who lets it in without knowing the key, or repeats another answer, or its own words", () => {
    const other = whole(begin(alice.secret, EXPORTER, { key: alice.id, resume: "s" }).message)
    for (const answer of [
      encodeHello(encodeBody(WELCOME), new Uint8Array(32)),
      answerClient(bob, EXPORTER, said, WELCOME),
      answerClient(alice, ELSEWHERE, said, WELCOME),
      answerClient(alice, EXPORTER, other, WELCOME),
      answerClient(alice, EXPORTER, said, { key: alice.id } as unknown as ServerHello),
      handshake.message,
    ]) {
      expect(handshake.read(whole(answer))).toEqual({ kind: "impostor" })
    }
  })

  test("tells a refusal by who knows the key from anybody's", () => {
    const words: ServerHello = { refused: "four sessions already", code: "too-many-sessions" }
    const refused = { kind: "refused", code: "too-many-sessions", detail: "four sessions already" } as const
    const proved = whole(answerClient(alice, EXPORTER, said, words))
    expect(handshake.read(proved)).toEqual({ ...refused, proved: true })
    const anybody = whole(encodeHello(encodeBody(words), new Uint8Array(32)))
    expect(handshake.read(anybody)).toEqual({ ...refused, proved: false })
  })

  test("is never welcomed by an answer that was changed on the way", () => {
    const answer = answerClient(alice, EXPORTER, said, WELCOME)
    for (let at = 8; at < answer.length; at++) {
      const changed = Uint8Array.from(answer)
      changed[at]! ^= 1 << integer(random, 0, 7)
      expect([at, handshake.read(whole(changed)).kind]).not.toEqual([at, "welcome"])
    }
  })
})
