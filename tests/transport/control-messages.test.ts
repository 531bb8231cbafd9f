import { describe, expect, test } from "bun:test"
import { loadDropControlMessages } from "../../src/transport/control-messages.ts"
import { openLibc } from "../../src/transport/libc.ts"
import { plain } from "../support/udp.ts"

const IP_PKTINFO = 8
const IP_RECVTOS = 13
const IP_RECVERR = 11

/** What the system says of a socket's options of IP. */
function optionsOf(fd: number): Record<string, number> {
  const { getsockopt } = openLibc()
  const value = new Int32Array(1)
  const length = new Uint32Array([4])
  const read = (option: number): number => (getsockopt(fd, 0, option, value, length) === 0 ? value[0]! : -1)
  return { info: read(IP_PKTINFO), service: read(IP_RECVTOS), errors: read(IP_RECVERR) }
}

describe.if(process.platform === "linux")("a socket's control messages", () => {
  test("are asked for by Bun, and left out but for ICMP errors", async () => {
    const fd = (await plain()).socket.fd!
    expect(optionsOf(fd)).toEqual({ info: 1, service: 1, errors: 1 })
    loadDropControlMessages()(fd)
    expect(optionsOf(fd)).toEqual({ info: 0, service: 0, errors: 1 })
  })

  test("of a closed descriptor are no trouble", () => {
    expect(() => loadDropControlMessages()(65_000)).not.toThrow()
  })
})
