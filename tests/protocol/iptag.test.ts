import { describe, expect, test } from "bun:test"
import {
  decodeIptagRecord,
  decodeIptagRequest,
  encodeIptagRecord,
  encodeIptagRequest,
  IPTAG_RECORD_BYTES,
  IptagOp,
  ipToWord,
  wordToIp,
} from "../../src/protocol/iptag.ts"
import { decodeScpReply, decodeScpRequest } from "../../src/protocol/scp.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { readCapture } from "../support/pcap.ts"

describe("IPTAG arguments", () => {
  test("are those of the captured requests", async () => {
    const [set, , get] = (await readCapture("rig-iptag-sdp")).map(({ payload }) => decodeScpRequest(payload))
    expect(decodeIptagRequest(set!)).toEqual({
      operation: IptagOp.set,
      tag: 1,
      timeoutCode: 0,
      strip: false,
      reverse: false,
      useSender: false,
      port: 39_198,
      address: ipToWord("127.0.0.1"),
      destAddress: 0,
      destPort: 0,
    })
    expect(decodeIptagRequest(get!)).toMatchObject({ operation: IptagOp.get, tag: 1 })
    const reverse = (await readCapture("spinnman-riptag-eieio"))[6]!
    expect(decodeIptagRequest(decodeScpRequest(reverse.payload)!)).toMatchObject({
      operation: IptagOp.set,
      tag: 3,
      strip: true,
      reverse: true,
      port: 12_345,
      destPort: (1 << 5) | 5,
    })
  })

  test("survive being encoded and decoded, whatever they are", () => {
    const random = seededRandom(4)
    const upTo = (limit: number): number => Math.floor(random() * limit)
    for (let round = 0; round < 500; round++) {
      const request = {
        operation: upTo(256),
        tag: upTo(256),
        timeoutCode: upTo(16),
        strip: random() < 0.5,
        reverse: random() < 0.5,
        useSender: random() < 0.5,
        port: upTo(65_536),
        address: upTo(2 ** 32),
        destAddress: upTo(65_536),
        destPort: upTo(256),
      }
      const args = encodeIptagRequest(request)
      expect(decodeIptagRequest(args)).toEqual(request)
      for (const arg of Object.values(args)) expect(arg).toBeWithin(0, 2 ** 32)
    }
  })
})

describe("IPTAG records", () => {
  test("are those of the captured answer", async () => {
    const reply = decodeScpReply((await readCapture("rig-iptag-sdp"))[3]!.payload)!
    const record = decodeIptagRecord(reply.body)!
    expect(record).toEqual({
      address: ipToWord("127.0.0.1"),
      mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      txPort: 39_198,
      timeoutTicks: 0,
      flags: 0x8000,
      count: 0,
      rxPort: 0,
      destAddress: 0,
      destPort: 0,
    })
    expect(encodeIptagRecord(record)).toEqual(reply.body.slice())
  })

  test("need all their bytes", () => {
    for (let length = 0; length < IPTAG_RECORD_BYTES; length++)
      expect(decodeIptagRecord(new Uint8Array(length))).toBeUndefined()
  })
})

describe("addresses in words", () => {
  test("have their first octet in the low byte", () => {
    expect(ipToWord("192.0.2.7")).toBe(0x070200c0)
    expect(wordToIp(0x070200c0)).toBe("192.0.2.7")
    expect(wordToIp(ipToWord("255.254.253.252"))).toBe("255.254.253.252")
  })

  test.each(["", "localhost", "1.2.3", "1.2.3.256", "::1", "1.2.3.4.5"])("are 0 for %p", (text) => {
    expect(ipToWord(text)).toBe(0)
  })
})
