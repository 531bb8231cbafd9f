import { expect, test } from "bun:test"
import { SpinnmanIOException } from "../../src/connections/exceptions.ts"
import { systemPing } from "../../src/connections/ping.ts"

test("the system's ping says yes for this machine, or its absence is said", async () => {
  const outcome = await systemPing("127.0.0.1").catch((error: Error) => error)
  if (outcome instanceof Error) {
    expect(outcome).toBeInstanceOf(SpinnmanIOException)
    expect(outcome.message).toContain("Cannot run the system's ping")
  } else if (Bun.which("ping")) expect(typeof outcome).toBe("boolean")
})
