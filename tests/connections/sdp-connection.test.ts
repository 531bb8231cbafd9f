import { describe, expect, test } from "bun:test"
import { SpinnmanInvalidPacketException, SpinnmanInvalidParameterException } from "../../src/connections/exceptions.ts"
import { SDPConnection } from "../../src/connections/sdp-connection.ts"
import { updateSdpHeaderForUdpSend } from "../../src/connections/sdp-header.ts"
import type { SdpHeader } from "../../src/protocol/sdp.ts"
import { errorOf, hex, Peer } from "./peer.ts"

const header = (part: Partial<SdpHeader> = {}): SdpHeader => ({
  flags: 0x07,
  tag: 3,
  destPort: 2,
  destCpu: 5,
  srcPort: 1,
  srcCpu: 1,
  destX: 6,
  destY: 7,
  srcX: 9,
  srcY: 9,
  ...part,
})

async function pair(chip: { chipX?: number; chipY?: number } = { chipX: 4, chipY: 8 }) {
  const peer = await Peer.open()
  const connection = await SDPConnection.open({ ...chip, remoteHost: "127.0.0.1", remotePort: peer.port })
  const close = async () => {
    connection.close()
    peer.close()
  }
  return { peer, connection, [Symbol.asyncDispose]: close }
}

describe("updateSdpHeaderForUdpSend", () => {
  test("overwrites tag and source, whatever the caller had set, and nothing else", () => {
    const changed = header()
    expect(updateSdpHeaderForUdpSend(changed, 1, 2)).toBeUndefined()
    expect(changed).toEqual({ ...header(), tag: 255, srcPort: 7, srcCpu: 31, srcX: 1, srcY: 2 })
  })

  test("refuses coordinates that are no bytes", () => {
    expect(() => updateSdpHeaderForUdpSend(header(), 256, 0)).toThrow(SpinnmanInvalidParameterException)
    expect(() => updateSdpHeaderForUdpSend(header(), 0, -1)).toThrow(SpinnmanInvalidParameterException)
  })
})

describe("sendSdpMessage", () => {
  test("sends two pad bytes, the header in wire order, and the payload", async () => {
    await using ends = await pair()
    await ends.connection.sendSdpMessage({ header: header(), payload: hex("aabb") })
    // flags, tag, dest (port << 5 | cpu), src, dest y, x, src y, x
    expect((await ends.peer.next()).data).toEqual(hex("0000 07 ff 45 ff 07 06 00 00 aabb"))
  })

  test.each([0x87, 0xa7])("flags %p expect a reply: the source is the connection's chip", async (flags) => {
    await using ends = await pair()
    await ends.connection.sendSdpMessage({ header: header({ flags }), payload: hex("") })
    expect((await ends.peer.next()).data.subarray(8, 10)).toEqual(hex("08 04"))
  })

  test.each([0x07, 0x27])("flags %p expect none: the source is 0,0", async (flags) => {
    await using ends = await pair()
    await ends.connection.sendSdpMessage({ header: header({ flags }), payload: hex("") })
    expect((await ends.peer.next()).data.subarray(8, 10)).toEqual(hex("00 00"))
  })

  test("the caller's header stays as it was", async () => {
    await using ends = await pair()
    const mine = header()
    await ends.connection.sendSdpMessage({ header: mine, payload: hex("") })
    expect(mine).toEqual(header())
  })

  test("expecting a reply without a chip is refused, and says what to do", async () => {
    await using ends = await pair({})
    const error = await errorOf(ends.connection.sendSdpMessage({ header: header({ flags: 0x87 }), payload: hex("") }))
    expect(error).toBeInstanceOf(SpinnmanInvalidParameterException)
    expect(error.message).toContain("without chipX and chipY")
    await ends.connection.sendSdpMessage({ header: header({ flags: 0x07 }), payload: hex("") })
  })

  test.each([{ destX: 256 }, { destY: -1 }, { destCpu: 32 }, { destPort: 8 }, { flags: 0x187 }, { destX: 0.5 }])(
    "a header with %p is refused",
    async (part) => {
      await using ends = await pair()
      const error = await errorOf(ends.connection.sendSdpMessage({ header: header(part), payload: hex("") }))
      expect(error).toBeInstanceOf(SpinnmanInvalidParameterException)
    },
  )

  test("a payload that boards drop is refused", async () => {
    await using ends = await pair()
    const send = (bytes: number) => ends.connection.sendSdpMessage({ header: header(), payload: new Uint8Array(bytes) })
    await send(272)
    expect(await errorOf(send(273))).toBeInstanceOf(SpinnmanInvalidParameterException)
  })
})

describe("receiveSdpMessage", () => {
  test("skips the pad and gives header, payload, the whole datagram and offset 10", async () => {
    await using ends = await pair()
    const datagram = hex("beef 87 03 45 21 07 06 0a 09 aabb")
    ends.peer.send(datagram, ends.connection.localPort)
    const message = await ends.connection.receiveSdpMessage(1000)
    expect(message.header).toEqual(header({ flags: 0x87, srcX: 9, srcY: 10 }))
    expect([message.payload, message.datagram, message.offset]).toEqual([hex("aabb"), datagram, 10])
  })

  test.each([
    ["short", "0000 87 ff 00 ff 00 00 00", "9 bytes, expected at least 10"],
    ["odd flags", "0000 86 ff 00 ff 00 00 00 00", "flags 0x86"],
  ])("a %s datagram is an invalid packet, and the next one is read", async (_name, text, problem) => {
    await using ends = await pair()
    ends.peer.send(hex(text), ends.connection.localPort)
    ends.peer.send(hex("0000 27 ff 00 ff 00 00 00 00"), ends.connection.localPort)
    const error = await errorOf(ends.connection.receiveSdpMessage(1000))
    expect(error).toBeInstanceOf(SpinnmanInvalidPacketException)
    expect(error.message).toContain(problem)
    expect((await ends.connection.receiveSdpMessage(1000)).header.flags).toBe(0x27)
  })

  test("is what getReceiveMethod gives and what iterating gives, junk skipped", async () => {
    await using ends = await pair()
    for (const text of ["00", "0000 07 ff 00 ff 00 00 00 00 01"]) ends.peer.send(hex(text), ends.connection.localPort)
    for await (const message of ends.connection) {
      expect(message.payload).toEqual(hex("01"))
      break
    }
    ends.peer.send(hex("0000 07 ff 00 ff 00 00 00 00 02"), ends.connection.localPort)
    expect((await ends.connection.getReceiveMethod()(1000)).payload).toEqual(hex("02"))
  })

  test("toString tells the chip and the ends", async () => {
    await using ends = await pair()
    expect(String(ends.connection)).toMatch(
      /^SDPConnection\(chipX=4, chipY=8, local=127.0.0.1:\d+, remote=127.0.0.1:\d+\)$/,
    )
  })
})
