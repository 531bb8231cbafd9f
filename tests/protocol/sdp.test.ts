import { describe, expect, test } from "bun:test"
import { decodeSdp, encodeSdp, monitorHeader, SDP_PAYLOAD_OFFSET, writeSdpHeader } from "../../src/protocol/sdp.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { fromHex, integer, randomBytes, randomHeader } from "../support/fuzz.ts"

describe("SDP", () => {
  test("decodeSdp() reads each field from its place: two pad bytes, ports above CPUs, y before x", () => {
    const datagram = fromHex("abcd 87 05 31 ff 0203 0405 010203")
    expect(decodeSdp(datagram)).toEqual({
      header: {
        flags: 0x87,
        tag: 5,
        destPort: 1,
        destCpu: 17,
        srcPort: 7,
        srcCpu: 31,
        destX: 3,
        destY: 2,
        srcX: 5,
        srcY: 4,
      },
      payload: Uint8Array.of(1, 2, 3),
    })
  })

  test("encodeSdp() writes what decodeSdp() reads, with a zero pad, for 500 random messages", () => {
    const random = seededRandom(1)
    for (let run = 0; run < 500; run++) {
      const header = randomHeader(random)
      const payload = randomBytes(random, integer(random, 0, 272))
      const datagram = encodeSdp(header, payload)
      expect([...datagram.subarray(0, 2)]).toEqual([0, 0])
      expect(datagram.length).toBe(10 + payload.length)
      expect(decodeSdp(datagram)).toEqual({ header, payload })
    }
  })

  test("writeSdpHeader() leaves pad and payload alone", () => {
    const target = new Uint8Array(12).fill(0xee)
    writeSdpHeader(target, randomHeader(seededRandom(2)))
    expect([target[0], target[1], target[10], target[11]]).toEqual([0xee, 0xee, 0xee, 0xee])
  })

  test("decodeSdp() takes any datagram of ten bytes or more and nothing shorter", () => {
    const random = seededRandom(3)
    for (let length = 0; length < 400; length++) {
      const datagram = randomBytes(random, length)
      const message = decodeSdp(datagram)
      if (length < SDP_PAYLOAD_OFFSET) expect(message).toBeUndefined()
      else expect(message?.payload.length).toBe(length - SDP_PAYLOAD_OFFSET)
    }
  })

  test("decodeSdp() reads a view that does not begin at its buffer's start", () => {
    const datagram = encodeSdp(randomHeader(seededRandom(4)), Uint8Array.of(9))
    const shifted = new Uint8Array(datagram.length + 3)
    shifted.set(datagram, 3)
    expect(decodeSdp(shifted.subarray(3))).toEqual(decodeSdp(datagram))
  })

  test("monitorHeader() is what every captured client's VER begins with", () => {
    expect(encodeSdp(monitorHeader(255, 255), new Uint8Array(0))).toEqual(fromHex("0000 87 ff 00 ff ffff 0000"))
  })
})
