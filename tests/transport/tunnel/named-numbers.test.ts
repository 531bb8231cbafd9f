/** The numbers that the tunnel promises, as they are written down for people. */
import { expect, test } from "bun:test"
import { HELLO_MAX_BYTES } from "../../../src/protocol/tunnel-hello.ts"
import { ADMISSION_LIMITS } from "../../../src/transport/tunnel/admission.ts"
import { REACH_TIMEOUT_MS } from "../../../src/transport/tunnel/reach.ts"
import { TUNNEL_MAX_AGE_MS } from "../../../src/transport/tunnel/tunnel-session.ts"

test("8 strangers of one address may be in the middle of a handshake", () => {
  expect(ADMISSION_LIMITS.perGroup).toBe(8)
})

test("a stranger has 10 s for the handshake", () => {
  expect(ADMISSION_LIMITS.deadlineMs).toBe(10_000)
})

test("a stranger may say 4 KiB before it has proved a key", () => {
  expect(HELLO_MAX_BYTES).toBe(4 * 1024)
})

test("a client gives a connection up that is not made in 5 s", () => {
  expect(REACH_TIMEOUT_MS).toBe(5_000)
})

test("SCP that has waited for 250 ms is not sent through the tunnel any more", () => {
  expect(TUNNEL_MAX_AGE_MS.scp).toBe(250)
})
