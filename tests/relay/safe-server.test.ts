import { afterEach, expect, mock, spyOn, test } from "bun:test"
import { SafeChain } from "../support/safe-chain.ts"

afterEach(() => mock.restore())

test("a port that the system does not give is told of, also where the server listens everywhere", async () => {
  spyOn(Bun, "listen").mockImplementation(() => {
    throw Object.assign(new Error("Failed to listen"), { code: "EACCES" })
  })
  await using chain = await SafeChain.start({ config: { listen: [], port: 443 } })
  const told = chain.observer.of("listen-waiting")
  expect(told).toMatchObject([{ address: "0.0.0.0:443", detail: "EACCES" }])
})
