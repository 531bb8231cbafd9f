import { describe, expect, test } from "bun:test"
import {
  encodeBody,
  encodeHello,
  HELLO_MAX_BYTES,
  readHello,
  type ServerHello,
} from "../../../src/protocol/tunnel-hello.ts"
import { seededRandom } from "../../../src/transport/random.ts"
import type { TcpOwner } from "../../../src/transport/tcp-port.ts"
import { GREETING_TIMEOUT_MS, type GreetingOutcome, greet } from "../../../src/transport/tunnel/greeting.ts"
import { answerClient } from "../../../src/transport/tunnel/handshake.ts"
import type { TunnelKey } from "../../../src/transport/tunnel/keys.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { FakePort } from "../../support/fake-port.ts"
import { cuts, randomBytes, utf8 } from "../../support/fuzz.ts"
import { FakeKeys } from "../../support/tunnel.ts"

const EXPORTER = randomBytes(seededRandom(4), 32)
const WELCOME: ServerHello = { session: "s", resumed: false, name: "pi", resumeMs: 60_000 }
const alice = new FakeKeys().add("alice") as TunnelKey

/** A greeting that has been said; what follows it is heard as text. */
function greeting() {
  const clock = new FakeClock()
  const port = Object.assign(new FakePort(), { exporter: EXPORTER, localHost: "127.0.0.1" })
  const outcomes: GreetingOutcome[] = []
  const heard: string[] = []
  const next: TcpOwner = {
    onData: (chunk) => heard.push(Buffer.from(chunk).toString()),
    onDrain: () => heard.push("(drain)"),
    onClose: (detail) => heard.push(`(closed: ${detail})`),
  }
  const owner = greet({
    port,
    key: alice,
    hello: { resume: "s" },
    clock,
    onOutcome: (outcome) => {
      outcomes.push(outcome)
      return outcome.kind === "welcome" ? next : undefined
    },
  })
  const reading = readHello(port.taken())
  if (reading.state !== "whole") throw new Error("said nothing whole")
  const answer = answerClient(alice, EXPORTER, reading.message, WELCOME)
  return { clock, owner, outcomes, heard, answer }
}

describe("a greeting", () => {
  test("hands on what comes right behind the answer, and later, wherever the stream is cut", () => {
    const random = seededRandom(5)
    for (let round = 0; round < 50; round++) {
      const { owner, outcomes, heard, answer } = greeting()
      for (const piece of cuts(random, Buffer.concat([answer, utf8("frames")]), 60)) owner.onData(piece)
      owner.onData(utf8(" and more"))
      owner.onDrain()
      owner.onClose("reset")
      expect(outcomes.map(({ kind }) => kind)).toEqual(["welcome"])
      expect(heard.join("")).toBe("frames and more(drain)(closed: reset)")
    }
  })

  test("ends in time where nobody answers, and once", () => {
    const { clock, owner, outcomes, heard, answer } = greeting()
    clock.advance(GREETING_TIMEOUT_MS - 1)
    expect(outcomes).toEqual([])
    clock.advance(1)
    owner.onData(answer)
    owner.onClose("reset")
    expect(outcomes).toEqual([{ kind: "failed", detail: "no answer to the greeting in 10 s" }])
    expect([heard, clock.pending]).toEqual([[], 0])
  })

  test("ends at once where the answer is none of ours, or says that it is too long", () => {
    const bad = encodeHello(encodeBody(WELCOME), new Uint8Array(32))
    bad[5] = 9
    const tooLong = Uint8Array.of(...bad.subarray(0, 4), 0, 1, 0xff, 0xff)
    for (const bytes of [utf8("HTTP/1.1 400"), bad, tooLong, utf8("x".repeat(2 * HELLO_MAX_BYTES))]) {
      const { clock, owner, outcomes } = greeting()
      owner.onData(bytes)
      owner.onData(bytes)
      expect(outcomes).toHaveLength(1)
      expect(outcomes[0]).toMatchObject({
        kind: "failed",
        detail: expect.stringContaining("speaks no spinnaker-relay"),
      })
      expect(clock.pending).toBe(0)
    }
  })

  test("says that the server has ended the connection", () => {
    const { owner, outcomes } = greeting()
    owner.onData(utf8("SPIN"))
    owner.onClose("reset")
    expect(outcomes).toEqual([{ kind: "failed", detail: "the server ended the connection: reset" }])
  })

  test("hears nothing further of a connection that it does not want", () => {
    const { owner, outcomes, heard } = greeting()
    owner.onData(Buffer.concat([encodeHello(encodeBody(WELCOME), new Uint8Array(32)), utf8("frames")]))
    owner.onData(utf8("more"))
    owner.onDrain()
    owner.onClose("reset")
    expect([outcomes, heard]).toEqual([[{ kind: "impostor" }], []])
  })
})
