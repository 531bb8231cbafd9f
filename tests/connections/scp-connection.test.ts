import { describe, expect, test } from "bun:test"
import { decodeChipInfo } from "../../src/connections/chip-info.ts"
import { SpinnmanInvalidPacketException } from "../../src/connections/exceptions.ts"
import { describeRequest, parseScpResponse } from "../../src/connections/scp-connection.ts"
import { Command, decodeScpReply } from "../../src/protocol/scp.ts"
import { decodeVersion } from "../../src/protocol/version.ts"
import { seededRandom } from "../../src/transport/random.ts"

describe("parseScpResponse", () => {
  test("random datagrams are a response or an invalid packet, and nothing else (100,000)", () => {
    const random = seededRandom(21)
    let responses = 0
    for (let round = 0; round < 100_000; round++) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 64) }, () => Math.floor(random() * 256))
      if (bytes.length > 11 && random() < 0.5) bytes.set([0x80 + Math.floor(random() * 20), 0], 10)
      try {
        const { offset } = parseScpResponse(bytes)
        expect(offset).toBe(2)
        responses++
      } catch (error) {
        expect(error).toBeInstanceOf(SpinnmanInvalidPacketException)
      }
      const reply = decodeScpReply(bytes)
      if (!reply) continue
      decodeVersion(reply)
      decodeChipInfo(0, 0, reply)
    }
    expect(responses).toBeGreaterThan(10_000)
  })
})

test("a request is described by command, chip and core", () => {
  expect(describeRequest({ command: Command.READ, destX: 3, destY: 4 })).toBe("READ of 3,4")
  expect(describeRequest({ command: Command.READ, destX: 3, destY: 4, destCpu: 5 })).toBe("READ of 3,4,5")
})
