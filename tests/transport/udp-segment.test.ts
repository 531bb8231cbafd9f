import { describe, expect, test } from "bun:test"
import { MAX_SEGMENT_BYTES, MAX_SEGMENTS, Segmentation } from "../../src/transport/udp-segment.ts"
import { openSocket, type RawSocket } from "../../src/transport/udp-socket.ts"
import { until } from "../support/until.ts"

const numbered = (number: number, length: number): Uint8Array => new Uint8Array(length).fill(number)

/** Two sockets that note what comes, and one to send from. */
async function ends(connected: boolean) {
  const got: string[] = []
  const owner = (name: string) => ({
    onDatagram: (datagram: Uint8Array) => void got.push(`${name} ${datagram[0] ?? "-"}x${datagram.length}`),
    onError() {},
    onDrain() {},
  })
  const host = "127.0.0.1"
  const a = await openSocket({ host, port: 0 }, owner("a"))
  const b = await openSocket({ host, port: 0 }, owner("b"))
  const connect = { host, port: a.address.port }
  const from = await openSocket(connected ? { host, port: 0, connect } : { host, port: 0 }, owner("from"))
  const targets = { a: { host, port: a.address.port }, b: { host, port: b.address.port } }
  return { got, from, targets, close: () => [a, b, from].map((socket) => socket.close()) }
}

/** The same socket, counting calls. */
function counting(socket: RawSocket) {
  const counted = { calls: 0 }
  const send: RawSocket["send"] = (...args) => {
    counted.calls++
    return socket.send(...args)
  }
  const spied: RawSocket = {
    send,
    close: () => socket.close(),
    closed: false,
    address: socket.address,
    fd: socket.fd,
  }
  return { spied, counted }
}

describe("Segmentation", () => {
  test("delivers a run of equal datagrams with a shorter last exactly as they were", async () => {
    const { got, from, close } = await ends(true)
    const { spied, counted } = counting(from)
    const datagrams = [...Array.from({ length: 9 }, (_, i) => numbered(i, 282)), numbered(9, 14)]
    expect(new Segmentation().sendMany(spied, datagrams)).toBe(10)
    await until(() => got.length === 10, "ten datagrams")
    expect(got).toEqual([...Array.from({ length: 9 }, (_, i) => `a ${i}x282`), "a 9x14"])
    if (process.platform === "linux") expect(counted.calls).toBe(1)
    close()
  })

  test("leaves later and longer datagrams of the same socket whole", async () => {
    const { got, from, close } = await ends(true)
    const segmentation = new Segmentation()
    segmentation.sendMany(from, [numbered(1, 20), numbered(2, 20), numbered(3, 20)])
    from.send(numbered(4, 1042))
    await until(() => got.length === 4, "four datagrams")
    expect(got.at(-1)).toBe("a 4x1042")
    close()
  })

  test("keeps targets, lengths and order apart in a mixed burst", async () => {
    const { got, from, targets, close } = await ends(false)
    const burst = [
      ["a", 1, 40], ["a", 2, 40], ["a", 3, 40], ["b", 4, 40], ["b", 5, 40], ["b", 6, 40], ["b", 7, 41],
      ["a", 8, 0], ["a", 9, 1042], ["a", 10, MAX_SEGMENT_BYTES + 1], ["b", 11, 5],
    ] as const // biome-ignore format: a table
    const datagrams = burst.map(([, number, length]) => numbered(number, length))
    const sent = new Segmentation().sendMany(
      from,
      datagrams,
      burst.map(([name]) => targets[name]),
    )
    expect(sent).toBe(burst.length)
    await until(() => got.length === burst.length, "all datagrams")
    for (const name of ["a", "b"]) {
      const expected = burst
        .filter(([to]) => to === name)
        .map(([to, n, length]) => `${to} ${length ? n : "-"}x${length}`)
      expect(got.filter((line) => line.startsWith(name))).toEqual(expected)
    }
    close()
  })

  test("sends more than the system cuts in one go", async () => {
    const { got, from, close } = await ends(true)
    const count = 3 * MAX_SEGMENTS + 5
    const datagrams = Array.from({ length: count }, (_, i) => numbered(i % 256, 100))
    expect(new Segmentation().sendMany(from, datagrams)).toBe(count)
    await until(() => got.length === count, "all datagrams")
    expect(got).toEqual(Array.from({ length: count }, (_, i) => `a ${i % 256}x100`))
    close()
  })

  test.each([
    ["there is no such option", () => () => false],
    [
      "there is no C library",
      () => {
        throw new Error("no libc")
      },
    ],
  ])("sends singly where %s", async (_name, load) => {
    const { got, from, close } = await ends(true)
    expect(
      new Segmentation(load).sendMany(
        from,
        [1, 2, 3, 4].map((n) => numbered(n, 30)),
      ),
    ).toBe(4)
    await until(() => got.length === 4, "four datagrams")
    expect(got).toEqual([1, 2, 3, 4].map((n) => `a ${n}x30`))
    close()
  })

  test("says how many went before the system's buffer was full", () => {
    let room = 2
    const socket: RawSocket = {
      send: () => room-- > 0,
      close() {},
      closed: false,
      address: { address: "127.0.0.1", port: 1 },
      fd: undefined,
    }
    expect(
      new Segmentation().sendMany(
        socket,
        [1, 2, 3, 4].map((n) => numbered(n, 30)),
      ),
    ).toBe(2)
  })

  test("throws what the socket throws if nothing went", () => {
    const socket: RawSocket = {
      send: () => {
        throw Object.assign(new Error("send"), { code: "ECONNREFUSED" })
      },
      close() {},
      closed: false,
      address: { address: "127.0.0.1", port: 1 },
      fd: undefined,
    }
    expect(() => new Segmentation().sendMany(socket, [numbered(1, 30), numbered(2, 30)])).toThrow("send")
  })
})
