import { describe, expect, test } from "bun:test"
import type { EndpointSettings } from "../../src/relay/endpoint.ts"
import { RELAY_LIMITS } from "../../src/relay/relay.ts"
import { CHANNELS, explainTakenPort, PortNeededError, serviceSettings } from "../../src/relay/services.ts"
import { PortTakenError } from "../../src/transport/port-taken.ts"

const SETTINGS: EndpointSettings = {
  target: "board",
  bootViaTcp: true,
  sdpViaTcp: false,
  scpPort: 1,
  bootPort: 2,
  scpTunnelPort: 3,
  bootTunnelPort: 4,
  bind: [],
  allow: undefined,
  limits: RELAY_LIMITS,
  scpGuard: true,
  bootRepair: true,
  bootGapMs: 10,
  tagBufferBytes: 8 << 20,
}

describe("serviceSettings()", () => {
  test("takes each service's share, with the options that a person would change", () => {
    expect(CHANNELS.map((channel) => serviceSettings(SETTINGS, channel))).toEqual([
      {
        channel: "scp",
        boardPort: 1,
        tunnelPort: 3,
        viaTcp: false,
        boardOption: "--scp-port",
        tunnelOption: "--scp-tunnel-port",
      },
      {
        channel: "boot",
        boardPort: 2,
        tunnelPort: 4,
        viaTcp: true,
        boardOption: "--boot-port",
        tunnelOption: "--boot-tunnel-port",
      },
    ])
  })

  test("-t is the boots', -T is SCP's", () => {
    const other = { ...SETTINGS, bootViaTcp: false, sdpViaTcp: true }
    expect(CHANNELS.map((channel) => serviceSettings(other, channel).viaTcp)).toEqual([true, false])
  })
})

describe("explainTakenPort()", () => {
  const taken = () => {
    throw new PortTakenError("192.0.2.7", 17894)
  }

  test.each([
    ["server", "scp", "--scp-tunnel-port", "its clients' SCP"],
    ["server", "boot", "--boot-tunnel-port", "its clients' boots"],
    ["client", "scp", "--scp-port, or an address with --bind 127.0.0.2", "in place of the board, for SCP"],
    ["client", "boot", "--boot-port, or an address with --bind 127.0.0.2", "in place of the board, for boots"],
  ] as const)(
    "says of a %s's %s port which it is, who needs it and that %s chooses another",
    async (role, channel, option, purpose) => {
      const failure = explainTakenPort(role, serviceSettings(SETTINGS, channel), "TCP", taken)
      const error = await failure.catch((error: unknown) => error)
      expect(error).toBeInstanceOf(PortNeededError)
      const { message, cause } = error as Error
      expect(message).toContain("TCP port 17894 on 192.0.2.7 is already in use")
      expect(message).toContain(`the ${role} listens there`)
      expect(message).toContain(purpose)
      expect(message).toEndWith(`${option}.`)
      expect(cause).toBeInstanceOf(PortTakenError)
    },
  )

  test("gives back what opens, now or later, and other troubles as they are", async () => {
    const service = serviceSettings(SETTINGS, "scp")
    expect(await explainTakenPort("server", service, "UDP", () => 5)).toBe(5)
    expect(await explainTakenPort("server", service, "UDP", async () => 6)).toBe(6)
    const trouble = new Error("another")
    const failure = explainTakenPort("server", service, "UDP", () => Promise.reject(trouble))
    expect(await failure.catch((error: unknown) => error)).toBe(trouble)
  })
})
