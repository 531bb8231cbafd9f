import { expect, test } from "bun:test"
import { inviteAddresses } from "../../src/relay/invite-addresses.ts"

const LOCAL = ["127.0.0.1", "::1", "2001:db8::7", "192.168.1.7", "fe80::1%eth0", "10.0.0.7"]
const hosts = (hostName: string, local: readonly string[], listen: readonly string[] = []) =>
  inviteAddresses({ hostName, local }, listen, 443).map(({ host }) => host)

test("a ticket names the machine and its addresses, those of IPv4 first, and none that leads nowhere", () => {
  expect(hosts("raspberrypi", LOCAL)).toEqual([
    "raspberrypi.local",
    "raspberrypi",
    "192.168.1.7",
    "10.0.0.7",
    "2001:db8::7",
  ])
  expect(hosts("pi.lab.example", LOCAL)[0]).toBe("pi.lab.example")
  expect(inviteAddresses({ hostName: "pi", local: [] }, [], 443)[0]).toEqual({ host: "pi.local", port: 443 })
})

test.each(["localhost", "localhost.localdomain", "", "a b", "10.0.0.7"])("%j is no name to be found by", (name) =>
  expect(hosts(name, ["10.0.0.7"])).toEqual(["10.0.0.7"]),
)

test("a server that listens on some addresses is to be found there only", () => {
  expect(hosts("pi", LOCAL, ["10.0.0.7", "::1"])).toEqual(["10.0.0.7"])
  expect(hosts("pi", LOCAL, ["127.0.0.1"])).toEqual(["127.0.0.1"])
  expect(hosts("pi", LOCAL, ["fe80::1%eth0"])).toEqual(["fe80::1%eth0"])
})

test("a machine without a network invites itself, and one with very many addresses names 16", () => {
  expect(hosts("localhost", ["127.0.0.1"])).toEqual(["127.0.0.1"])
  const many = Array.from({ length: 100 }, (_, at) => `10.0.0.${at}`)
  expect(hosts("pi", many)).toHaveLength(16)
})
