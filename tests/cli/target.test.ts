import { describe, expect, test } from "bun:test"
import { UsageError } from "../../src/cli/command.ts"
import { parseBind, parseHost } from "../../src/cli/target.ts"

describe("parseHost()", () => {
  test.each([
    ["192.168.240.1", "192.168.240.1"],
    ["raspberrypi.local", "raspberrypi.local"],
    ["board_3", "board_3"],
    ["a", "a"],
    ["spinn-4.example.org.", "spinn-4.example.org."],
    ["2001:db8::1", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["::1", "::1"],
    ["fe80::1%eth0", "fe80::1%eth0"],
    ["[fe80::1%eth0.7]", "fe80::1%eth0.7"],
  ])("takes %s", (typed, host) => {
    expect(parseHost(typed)).toBe(host)
  })

  test.each([
    ["", /not a host name/],
    ["-s", /not a host name/],
    ["a b", /not a host name/],
    ["board:17893", /ports have options of their own/],
    ["192.0.2.7:17893", /ports have options of their own/],
    ["[2001:db8::1]:17893", /not a host name/],
    ["[board]", /IPv6 address between the brackets/],
    ["[]", /IPv6 address between the brackets/],
    ["[2001:db8::1", /not a host name/],
    ["192.168.1", /not an IPv4 address/],
    ["192.168.1.256", /not an IPv4 address/],
    ["a..b", /not a host name/],
    ["-a.b", /not a host name/],
    ["http://board", /not a host name/],
    ["bo\x1b[2Jard", /not a host name/],
  ])("refuses %j and says why", (typed, why) => {
    const act = () => parseHost(typed)
    expect(act).toThrow(UsageError)
    expect(act).toThrow(why)
    // What a person mistyped is shown as typed, quoted: no control character reaches the terminal.
    expect(act).toThrow(JSON.stringify(typed))
  })
})

describe("parseBind()", () => {
  test("takes addresses, bracketed or not, and gives undefined for the two that mean all", () => {
    expect(["192.0.2.7", "[2001:db8::1]", "::1", "fe80::1%eth0"].map(parseBind)).toEqual([
      "192.0.2.7",
      "2001:db8::1",
      "::1",
      "fe80::1%eth0",
    ])
    expect(["0.0.0.0", "::", "[::]"].map(parseBind)).toEqual([undefined, undefined, undefined])
  })

  test.each(["localhost", "", "192.0.2", "192.0.2.0/24", "[::1", "::1]", "eth0"])("refuses %j", (typed) => {
    expect(() => parseBind(typed)).toThrow(UsageError)
    expect(() => parseBind(typed)).toThrow(JSON.stringify(typed))
  })
})
