import { describe, expect, test } from "bun:test"
import { formatComplaints } from "../../src/config/complaint.ts"
import { configOfBoard } from "../../src/relay/server-config.ts"
import { readServerConfig } from "../../src/relay/server-config-file.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { mutate, utf8 } from "../support/fuzz.ts"
import { SERVER_EXAMPLE } from "../support/readme.ts"

const BOARD = '[[boards]]\naddress = "10.0.0.1"\n'

function said(toml: string): string[] {
  const result = readServerConfig(toml)
  return result.ok ? [] : formatComplaints("relay.toml", result.complaints).split("\n")
}

describe("a server's configuration", () => {
  test("of one board and nothing else is that of the command line", () => {
    expect(readServerConfig(BOARD)).toEqual({ ok: true, value: configOfBoard("10.0.0.1") })
  })

  test("gives each board what [leases] says, and what the board says instead", () => {
    const leases = '[leases]\nexclusive = true\nmax-hold = "2h"\nhold = "session"\n'
    const result = readServerConfig(`${leases}${BOARD}[[boards]]\naddress = "b"\nexclusive = false\nmax-hold = 0`)
    expect(result.ok && result.value.boards.map(({ lease }) => lease)).toEqual([
      { exclusive: true, sessionTimeoutMs: 300_000, hold: "session", maxHoldMs: 7_200_000, onRelease: "nothing" },
      { exclusive: false, sessionTimeoutMs: 300_000, hold: "session", maxHoldMs: undefined, onRelease: "nothing" },
    ])
  })

  test.each([
    ['listen = ["0.0.0.0"]', []],
    ['listen = ["::", "192.0.2.1"]', []],
    ['listen = ["[2001:db8::1]", "192.0.2.1", "192.0.2.1"]', ["2001:db8::1", "192.0.2.1"]],
    ['listen = ["fe80::1%eth0"]', ["fe80::1%eth0"]],
  ])("%s listens on %j", (toml, listen) => {
    const result = readServerConfig(`${toml}\n${BOARD}`)
    expect(result.ok && result.value.listen).toEqual(listen)
  })
})

describe("every complaint names line and column", () => {
  const cases: [toml: string, complaints: string[]][] = [
    ["", ["relay.toml:1:1: boards is missing: expected a list of 1 to 64, each a table"]],
    ["[[boards]]\n", ["relay.toml:1:1: boards.address is missing: expected a host name or an IPv4 address"]],
    [
      "board = 1",
      [
        'relay.toml:1:1: unknown key "board": did you mean boards?',
        "relay.toml:1:1: boards is missing: expected a list of 1 to 64, each a table",
      ],
    ],
    [`port = 70000\n${BOARD}`, ["relay.toml:1:8: port is 70000: expected a whole number from 1 to 65535"]],
    [`name = "my pi"\n${BOARD}`, ['relay.toml:1:8: name is "my pi": expected a word without spaces']],
    [
      `listen = ["pi", "192.0.2.1:80"]\n${BOARD}`,
      [
        'relay.toml:1:11: listen is "pi": expected an IP address of this machine, such as "192.0.2.7" or "::1"',
        'relay.toml:1:17: listen is "192.0.2.1:80": expected an IP address of this machine, such as "192.0.2.7" or "::1"',
      ],
    ],
    [
      `allow = ["192.0.2.0/33"]\n${BOARD}`,
      [
        'relay.toml:1:10: allow is "192.0.2.0/33": not an address or network such as 192.0.2.0/24 or 2001:db8::/32: "192.0.2.0/33"',
      ],
    ],
    [
      '[[boards]]\naddress = "2001:db8::1"',
      ['relay.toml:2:11: boards.address is "2001:db8::1": boards and BMPs have no IPv6'],
    ],
    [
      '[[boards]]\naddress = "10.0.0"',
      ['relay.toml:2:11: boards.address is "10.0.0": "10.0.0" is not an IPv4 address'],
    ],
    [
      `${BOARD}name = "a,b"\ntype = "spin4"`,
      [
        'relay.toml:3:8: boards.name is "a,b": expected a word without spaces or commas, and not "all"',
        'relay.toml:4:8: boards.type is "spin4": expected one of "spin3", "spin5", "auto"; did you mean "spin3"?',
      ],
    ],
    [`${BOARD}bmp = 7`, ["relay.toml:3:7: boards.bmp is 7: expected a host name or an IPv4 address, or a table"]],
    [
      `${BOARD}bmp = { host = "b", board = 24 }`,
      ["relay.toml:3:29: boards.bmp.board is 24: expected a whole number from 0 to 23"],
    ],
    [
      `${BOARD}hold = "trafic"`,
      ['relay.toml:3:8: boards.hold is "trafic": expected one of "traffic", "session"; did you mean "traffic"?'],
    ],
    [
      `${BOARD}session-timeout = 0.5`,
      [
        'relay.toml:3:19: boards.session-timeout is 0.5: expected seconds, or text with a unit such as "90s", "5m", "24h", from 1s to 7d',
      ],
    ],
    [
      `[leases]\nexclusive = true\non-release = "power-cycle"\n${BOARD}`,
      [
        'relay.toml:4:1: 10.0.0.1 is to be power-cycled on release but has no bmp: expected bmp = "HOST", or on-release = "nothing"',
      ],
    ],
    [
      '[[boards]]\nname = "a"\naddress = "A1"\nbmp = "b"\n[[boards]]\nname = "a"\naddress = "a1"\nbmp = { host = "b" }',
      [
        "relay.toml:6:8: the name a is that of another board already",
        "relay.toml:7:11: the address a1 is that of a already",
        "relay.toml:8:7: board 0 of the BMP b is that of a already",
      ],
    ],
    [
      `[limits]\nflow = 1\nidle-timeout = "never"\n${BOARD}`,
      [
        'relay.toml:2:1: unknown key "flow": did you mean flows?',
        'relay.toml:3:16: limits.idle-timeout is "never": expected seconds, or text with a unit such as "90s", "5m", "24h", from 0s to 7d',
      ],
    ],
  ]
  test.each(cases)("%j", (toml, complaints) => expect(said(toml)).toEqual(complaints))
})

test("any text is a configuration of one to 64 boards, or has complaints", () => {
  const random = seededRandom(64)
  let right = 0
  for (let i = 0; i < 1500; i++) {
    const result = readServerConfig(new TextDecoder().decode(mutate(random, utf8(SERVER_EXAMPLE))))
    if (result.ok) {
      right++
      expect(result.value.boards.length).toBeWithin(1, 65)
      expect(new Set(result.value.boards.map(({ name }) => name)).size).toBe(result.value.boards.length)
    } else expect(result.complaints.length).toBeGreaterThan(0)
  }
  expect(right).toBeGreaterThan(100)
})
