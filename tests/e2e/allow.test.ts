/** `server --allow` as a process: what is typed decides who may knock at the tunnel. */
import { expect, test } from "bun:test"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { patient } from "../../scripts/lib/relay-command.ts"
import { RawTls } from "../support/raw-tls.ts"
import { freePorts, startRelay } from "../support/relay-process.ts"

test.each([
  ["192.0.2.0/24", "shut out"],
  ["127.0.0.0/8", "let in"],
])(
  "a server with --allow %s: a peer on loopback is %s",
  async (network, expected) => {
    const folder = await mkdtemp(join(tmpdir(), "relay-allow-"))
    const [port] = (await freePorts(1)) as [number]
    try {
      const where = ["--data", folder, "--port", `${port}`, "--bind", "127.0.0.1"]
      await using server = startRelay(["server", "127.0.0.1", ...where, "--allow", network])
      await server.waitForLine(/listening for its users, encrypted/)
      const outcome = await RawTls.connect(port).then(
        (one) => {
          one[Symbol.dispose]()
          return "let in"
        },
        () => "shut out",
      )
      expect(outcome).toBe(expected)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
  patient(20_000),
)
