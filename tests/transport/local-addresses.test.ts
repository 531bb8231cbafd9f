/** The machine's own addresses. */
import { describe, expect, test } from "bun:test"
import { isLinkLocal, localAddresses } from "../../src/transport/local-addresses.ts"

const interfaces = {
  lo: [
    { address: "127.0.0.1", family: "IPv4" },
    { address: "::1", family: "IPv6", scopeid: 0 },
  ],
  eth0: [
    { address: "192.0.2.2", family: "IPv4" },
    { address: "fe80::fc:ff:fe00:1", family: "IPv6", scopeid: 4 },
  ],
  "eth0:1": [{ address: "192.0.2.2", family: "IPv4" }],
  gone: undefined,
}

describe("localAddresses", () => {
  test("lists each address once, link-local ones with the interface's name", () => {
    expect(localAddresses(interfaces, "linux")).toEqual(["127.0.0.1", "::1", "192.0.2.2", "fe80::fc:ff:fe00:1%eth0"])
  })

  test("gives link-local ones the interface's number on Windows", () => {
    expect(localAddresses(interfaces, "win32")).toContain("fe80::fc:ff:fe00:1%4")
  })

  test("finds this machine's loopback", () => {
    expect(localAddresses()).toContain("127.0.0.1")
  })
})

describe("isLinkLocal", () => {
  test("is fe80::/10 and nothing else", () => {
    expect(["fe80::1", "FEBF::1", "fe90::1%eth0"].every(isLinkLocal)).toBe(true)
    expect(["fec0::1", "fd00::1", "169.254.0.1", "::1"].some(isLinkLocal)).toBe(false)
  })
})
