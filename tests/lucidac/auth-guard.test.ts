import { expect, test } from "bun:test"
import { AuthGuard } from "../../src/lucidac/auth-guard.ts"

test("lets in who knows the secret, whatever came before", () => {
  const guard = new AuthGuard("correct horse")
  expect(guard.check("a", "correct horse", 0)).toEqual({ ok: true, delayMs: 0 })
  guard.check("a", "wrong", 0)
  expect(guard.check("b", "correct horse", 0)).toEqual({ ok: true, delayMs: 0 })
  expect(guard.check("a", "correct horse", 250)).toEqual({ ok: true, delayMs: 0 })
})

test("says no sooner that a token is right than that it is wrong, to an address that has just missed", () => {
  const guard = new AuthGuard("correct horse")
  for (let miss = 0; miss < 4; miss++) guard.check("a", "wrong", 1_000)
  expect(guard.check("a", "correct horse", 1_500)).toEqual({ ok: true, delayMs: 1_500 })
})

test("answers each further miss of an address later, up to 8 s", () => {
  const guard = new AuthGuard("s")
  const delays = Array.from({ length: 8 }, () => guard.check("a", "", 0)).map(
    (verdict) => !verdict.ok && verdict.delayMs,
  )
  expect(delays).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000])
  expect(guard.check("b", "", 0)).toEqual({ ok: false, delayMs: 250 })
  expect(guard.check("a", "", 60_000)).toEqual({ ok: false, delayMs: 250 })
})
