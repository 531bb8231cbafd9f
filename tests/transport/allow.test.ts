/** The list behind --allow. */
import { describe, expect, test } from "bun:test"
import { AllowList } from "../../src/transport/allow.ts"

describe("AllowList", () => {
  const cases: [cidrs: string[], host: string, allowed: boolean][] = [
    [["192.0.2.0/24"], "192.0.2.255", true],
    [["192.0.2.0/24"], "192.0.3.0", false],
    [["192.0.2.7"], "192.0.2.7", true],
    [["192.0.2.7"], "192.0.2.8", false],
    [["192.0.2.99/24"], "192.0.2.1", true],
    [["10.0.0.0/8"], "::ffff:10.1.2.3", true],
    [["10.0.0.0/8"], "::ffff:11.1.2.3", false],
    [["10.0.0.0/8"], "2001:db8::1", false],
    [["2001:db8::/32"], "2001:db8:ffff::1", true],
    [["2001:db8::/32"], "2001:db9::1", false],
    [["fe80::/10"], "fe80::1%eth0", true],
    [["0.0.0.0/0"], "203.0.113.9", true],
    [["0.0.0.0/0"], "2001:db8::1", false],
    [["::/0"], "2001:db8::1", true],
    [["192.0.2.0/24", "198.51.100.4"], "198.51.100.4", true],
    [[], "127.0.0.1", false],
    [["192.0.2.0/24"], "not an address", false],
  ]
  for (const [cidrs, host, allowed] of cases) {
    test(`[${cidrs.join(", ")}] ${allowed ? "lets in" : "keeps out"} ${host}`, () => {
      expect(AllowList.parse(cidrs).allows(host)).toBe(allowed)
    })
  }

  for (const bad of [
    "192.0.2.0/33",
    "2001:db8::/129",
    "192.0.2",
    "example.org",
    "192.0.2.0/",
    "/24",
    "",
    "192.0.2.0/-1",
    "1.2.3.4/8/8",
    "fe80::1%eth0",
    "192.0.2.0/2 4",
  ]) {
    test(`refuses ${JSON.stringify(bad)} and names it`, () => {
      expect(() => AllowList.parse(["127.0.0.1", bad])).toThrow(RangeError)
      expect(() => AllowList.parse(["127.0.0.1", bad])).toThrow(JSON.stringify(bad))
    })
  }
})
