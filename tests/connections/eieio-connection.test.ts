import { describe, expect, test } from "bun:test"
import { EIEIOConnection } from "../../src/connections/eieio-connection.ts"
import { EIEIODataMessage } from "../../src/connections/eieio-data-message.ts"
import {
  SpinnmanEIEIOPacketParsingException,
  SpinnmanInvalidPacketException,
  SpinnmanInvalidParameterException,
} from "../../src/connections/exceptions.ts"
import { EieioType } from "../../src/protocol/eieio.ts"
import { errorOf, hex, Peer } from "./peer.ts"

async function pair() {
  const peer = await Peer.open()
  const connection = await EIEIOConnection.open({ remoteHost: "127.0.0.1", remotePort: peer.port })
  const close = async () => {
    connection.close()
    peer.close()
  }
  return { peer, connection, [Symbol.asyncDispose]: close }
}

const data = { kind: "data", type: EieioType.key16, tag: 0, timestamps: false, elements: [{ key: 5 }] } as const

describe("EIEIOConnection", () => {
  test("sends bare EIEIO: no SDP header, no padding", async () => {
    await using ends = await pair()
    await ends.connection.sendEieioMessage(data)
    expect((await ends.peer.next()).data).toEqual(hex("0100 0500"))
  })

  test("sends to any address", async () => {
    await using ends = await pair()
    await using other = await Peer.open()
    await ends.connection.sendEieioMessageTo({ kind: "command", name: "eventStop" }, "127.0.0.1", other.port)
    expect((await other.next()).data).toEqual(hex("0340"))
  })

  test("receives data and commands, also as getReceiveMethod", async () => {
    await using ends = await pair()
    for (const text of ["0100 0500", "0340"]) ends.peer.send(hex(text), ends.connection.localPort)
    expect(await ends.connection.receiveEieioMessage(1000)).toEqual(data)
    expect(await ends.connection.getReceiveMethod()(1000)).toEqual({ kind: "command", name: "eventStop" })
  })

  test("an unknown command comes back as what it is", async () => {
    await using ends = await pair()
    ends.peer.send(hex("6440 01"), ends.connection.localPort)
    const unknown = { kind: "command", name: "unknown", id: 100, body: hex("01") } as const
    expect(await ends.connection.receiveEieioMessage(1000)).toEqual(unknown)
  })

  test("a database command with a path is read", async () => {
    await using ends = await pair()
    ends.peer.send(hex("0140 2f78"), ends.connection.localPort)
    expect(await ends.connection.receiveEieioMessage(1000)).toEqual({ kind: "command", name: "database", path: "/x" })
  })

  test.each([
    ["one byte", "01", "data"],
    ["a cut prefix", "0080 01", "data"],
    ["a cut command", "0c40", "command"],
  ])("%s is a parsing exception that keeps the packet", async (_name, text, format) => {
    await using ends = await pair()
    ends.peer.send(hex(text), ends.connection.localPort)
    const error = (await errorOf(ends.connection.receiveEieioMessage(1000))) as SpinnmanEIEIOPacketParsingException
    expect(error).toBeInstanceOf(SpinnmanEIEIOPacketParsingException)
    expect([error.parsingFormat, error.packet]).toEqual([format, hex(text)])
  })

  test("more elements than the count byte holds are refused", async () => {
    await using ends = await pair()
    const elements = Array.from({ length: 256 }, () => ({ key: 0 }))
    const error = await errorOf(ends.connection.sendEieioMessage({ ...data, elements }))
    expect(error).toBeInstanceOf(SpinnmanInvalidParameterException)
  })
})

describe("EIEIODataMessage", () => {
  test("counts its elements", () => {
    const message = new EIEIODataMessage({ type: EieioType.key32Payload32 })
    message.addElement(1, 2)
    message.addElement(3, 4)
    expect(message.nElements).toBe(2)
    expect(message.message.elements).toEqual([
      { key: 1, payload: 2 },
      { key: 3, payload: 4 },
    ])
  })

  test.each([
    [{ type: EieioType.key32 }, 63],
    [{ type: EieioType.key32Payload32 }, 31],
    [{ type: EieioType.key16 }, 127],
    [{ type: EieioType.key16Payload16, keyPrefix: { value: 1, upper: true }, payloadBase: 1 }, 62],
  ] as const)("%p has room for %p elements in 256 bytes, and takes no more", (header, most) => {
    const message = new EIEIODataMessage(header)
    expect(message.maxNElements).toBe(most)
    const payload = header.type & 1 ? 0 : undefined
    for (let element = 0; element < most; element++) message.addElement(element, payload)
    expect(() => message.addElement(0, payload)).toThrow(SpinnmanInvalidParameterException)
  })

  test("a key or payload above the type's maximum is refused", () => {
    const small = new EIEIODataMessage({ type: EieioType.key16Payload16 })
    expect(() => small.addElement(0x10000, 0)).toThrow(SpinnmanInvalidParameterException)
    expect(() => small.addElement(0, 0x10000)).toThrow(SpinnmanInvalidParameterException)
    const large = new EIEIODataMessage({ type: EieioType.key32Payload32 })
    large.addElement(0xffffffff, 0xffffffff)
    expect(() => large.addElement(2 ** 32, 0)).toThrow(SpinnmanInvalidParameterException)
    expect(() => new EIEIODataMessage({ type: EieioType.key16, payloadBase: 0x10000 })).toThrow()
  })

  test("a payload is needed where the type has one, and only there", () => {
    expect(() => new EIEIODataMessage({ type: EieioType.key16 }).addElement(1, 2)).toThrow("payload")
    expect(() => new EIEIODataMessage({ type: EieioType.key16Payload16 }).addElement(1)).toThrow("payload")
  })

  test("nothing can be added to a message that was received", () => {
    const received = EIEIODataMessage.received(data)
    expect([received.nElements, received.message]).toEqual([1, data])
    expect(() => received.addElement(1)).toThrow(SpinnmanInvalidPacketException)
  })
})
