import { describe, expect, test } from "bun:test"
import { openFiltered, openSocket, type RawSocket } from "../../src/transport/udp-socket.ts"
import { until } from "../support/until.ts"

const host = "127.0.0.1"
const text = (datagram: Uint8Array): string => new TextDecoder().decode(datagram)
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)

/** A socket that notes what comes, and from which port. */
async function ear(open: typeof openSocket, connect?: { host: string; port: number }) {
  const heard: { words: string; port: number }[] = []
  const errors: string[] = []
  const socket: RawSocket = await open(
    { host, port: 0, ...(connect ? { connect } : {}) },
    {
      onDatagram: (datagram, port) => void heard.push({ words: text(datagram), port }),
      onError: (code) => void errors.push(code),
      onDrain() {},
    },
  )
  return { socket, heard, errors }
}

describe("openFiltered()", () => {
  test("sends to its target and hears only its target", async () => {
    const board = await ear(openSocket)
    const stranger = await ear(openSocket)
    const flow = await ear(openFiltered, { host, port: board.socket.address.port })
    flow.socket.send(bytes("question"))
    await until(() => board.heard.length === 1, "the question")
    expect(board.heard).toEqual([{ words: "question", port: flow.socket.address.port }])
    stranger.socket.send(bytes("lie"), flow.socket.address.port, host)
    board.socket.send(bytes("answer"), flow.socket.address.port, host)
    await until(() => flow.heard.length === 1, "the answer")
    expect(flow.heard).toEqual([{ words: "answer", port: board.socket.address.port }])
    for (const { socket } of [board, stranger, flow]) socket.close()
    expect(flow.socket.closed).toBe(true)
  })

  test("goes on hearing after the target was not there", async () => {
    const first = await ear(openSocket)
    const { port } = first.socket.address
    first.socket.close()
    const flow = await ear(openFiltered, { host, port })
    flow.socket.send(bytes("anybody?"))
    await until(() => flow.errors.length > 0, "the ICMP error")
    const board = await openSocket(
      { host, port },
      { onDatagram: (_datagram, from) => void board.send(bytes("back"), from, host), onError() {}, onDrain() {} },
    )
    flow.socket.send(bytes("anybody now?"))
    await until(() => flow.heard.length === 1, "an answer")
    expect(flow.heard[0]?.words).toBe("back")
    flow.socket.close()
    board.close()
  })
})
