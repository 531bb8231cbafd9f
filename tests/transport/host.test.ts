import { expect, test } from "bun:test"
import { readHost, readHostPort } from "../../src/transport/host.ts"

test.each([
  ["pi.local", "pi.local", 1],
  ["lab_pi:443", "lab_pi", 443],
  ["192.0.2.7:65535", "192.0.2.7", 65_535],
  ["2001:db8::1", "2001:db8::1", 1],
  ["[2001:db8::1]", "2001:db8::1", 1],
  ["[fe80::1%eth0]:443", "fe80::1%eth0", 443],
])("%s is host %s and port %d", (text, host, port) => expect(readHostPort(text, 1)).toEqual({ host, port }))

test.each(["", ":443", "pi:0", "pi:65536", "a b", "[pi]:443", "300.1.1.1:443", "-x", "http://pi", "pi:x"])(
  "%j is none",
  (text) => expect(() => readHostPort(text, 1)).toThrow(RangeError),
)

test("a host alone has no port", () => expect(() => readHost("pi:443")).toThrow("give the host alone"))
