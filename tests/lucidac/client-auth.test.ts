import { describe, expect, test } from "bun:test"
import { AuthGuard } from "../../src/lucidac/auth-guard.ts"
import { AUTH_DEADLINE_MS, ClientAuth, MAX_ATTEMPTS } from "../../src/lucidac/client-auth.ts"
import { FakeClock } from "../support/fake-clock.ts"

/** The authentication of a client from one address, and what came of it. */
function client(guard: AuthGuard | undefined, clock = new FakeClock(), place = true) {
  const said: string[] = []
  const auth = new ClientAuth({
    guard,
    host: "192.0.2.9",
    clock,
    admit: () => place,
    onMiss: () => void said.push("miss"),
    giveUp: (text) => void said.push(text),
  })
  const check = (token: string): void =>
    auth.check(token, { ok: () => void said.push("ok"), failed: () => void said.push("failed") })
  return { auth, clock, said, check }
}

describe("a client", () => {
  test("is known without a secret where none is asked for, for as long as it likes", () => {
    const { auth, clock, said, check } = client(undefined)
    expect(auth.known).toBe(true)
    check("anything")
    clock.advance(10 * AUTH_DEADLINE_MS)
    expect(said).toEqual(["ok"])
  })

  test("is known once it has shown it, and the deadline is over with that", () => {
    const { auth, clock, said, check } = client(new AuthGuard("tok"))
    expect(auth.known).toBe(false)
    check("tok")
    expect(auth.known).toBe(true)
    clock.advance(10 * AUTH_DEADLINE_MS)
    expect(said).toEqual(["ok"])
  })

  test("is not told that it is known where there is no place for it", () => {
    const { said, check } = client(new AuthGuard("tok"), new FakeClock(), false)
    check("tok")
    expect(said).toEqual([])
  })

  test("has ten seconds for its first token", () => {
    const { clock, said } = client(new AuthGuard("tok"))
    clock.advance(AUTH_DEADLINE_MS - 1)
    expect(said).toEqual([])
    clock.advance(1)
    expect(said).toEqual(["Authentication required: no token came in 10 s"])
  })

  test("is not late while it waits for its verdict", () => {
    const guard = new AuthGuard("tok")
    for (let miss = 0; miss < 6; miss++) guard.check("192.0.2.9", "wrong", 0)
    const { auth, clock, said, check } = client(guard)
    clock.advance(AUTH_DEADLINE_MS - 1)
    guard.check("192.0.2.9", "wrong", clock.now())
    check("tok")
    clock.advance(7_000)
    expect(said).toEqual([])
    clock.advance(1_100)
    expect(said).toEqual(["ok"])
    expect(auth.known).toBe(true)
  })

  test("may guess five times, one guess at a time", () => {
    const { clock, said, check } = client(new AuthGuard("tok"))
    for (let guess = 0; guess < MAX_ATTEMPTS; guess++) {
      check("wrong")
      // Nobody looks at these: the verdict on the one before is not out.
      check("wrong")
      check("tok")
      clock.advance(8_000)
    }
    expect(said.filter((what) => what === "miss")).toHaveLength(MAX_ATTEMPTS)
    expect(said.filter((what) => what === "failed")).toHaveLength(MAX_ATTEMPTS)
    expect(said).not.toContain("ok")
    expect(said.at(-1)).toBe("Authentication failed 5 times")
  })

  test("hears nothing any more once it is gone", () => {
    const { auth, clock, said, check } = client(new AuthGuard("tok"))
    check("wrong")
    auth.close()
    clock.advance(60_000)
    expect(said).toEqual(["miss"])
  })
})
