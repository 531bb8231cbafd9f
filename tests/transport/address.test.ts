/** Addresses as people read them. */
import { describe, expect, test } from "bun:test"
import { formatAddress, isLoopback, peerHost, unmapHost } from "../../src/transport/address.ts"

describe("formatAddress", () => {
  test("puts brackets around IPv6 only", () => {
    expect(formatAddress({ host: "192.0.2.7", port: 40112 })).toBe("192.0.2.7:40112")
    expect(formatAddress({ host: "2001:db8::1", port: 17894 })).toBe("[2001:db8::1]:17894")
    expect(formatAddress({ host: "board.lab", port: 1 })).toBe("board.lab:1")
  })
})

describe("unmapHost", () => {
  test("turns a mapped IPv4 address into a plain one and leaves the rest", () => {
    expect(unmapHost("::ffff:192.0.2.7")).toBe("192.0.2.7")
    expect(unmapHost("::FFFF:192.0.2.7")).toBe("192.0.2.7")
    expect(unmapHost("2001:db8::ffff:1")).toBe("2001:db8::ffff:1")
    expect(unmapHost("192.0.2.7")).toBe("192.0.2.7")
  })
})

describe("isLoopback", () => {
  test("is 127.0.0.0/8 and ::1, mapped or not", () => {
    expect(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"].every(isLoopback)).toBe(true)
    expect(["192.0.2.7", "0.0.0.0", "::", "2001:db8::1"].some(isLoopback)).toBe(false)
  })
})

describe("peerHost", () => {
  test("is the host that the network vouches for, not the one that a client names", () => {
    expect(peerHost("192.0.2.7:40112")).toBe("192.0.2.7")
    expect(peerHost("127.0.0.1:4000 via 192.0.2.7:5000")).toBe("192.0.2.7")
    expect(peerHost("[::1]:4000 via [2001:db8::1]:5000")).toBe("[2001:db8::1]")
    expect(peerHost("")).toBe("")
  })
})
