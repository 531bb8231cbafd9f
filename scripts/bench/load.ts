/**
 * The load generator and stand-in board of load.c in TypeScript, for machines without a C compiler. Same arguments,
 * same output; about a third as fast, so that the bench may have to say that it measured the generator.
 */
import { decodeScpRequest, encodeScpReply, encodeScpRequest, Result } from "../../src/protocol/scp.ts"
import { monitorHeader } from "../../src/protocol/sdp.ts"
import type { LoadResult } from "./report.ts"
import { percentile } from "./report.ts"

const DATA_BYTES = 256
const LOST_MS = 500
const WARM_MS = 200

/** Answers every request with a reply of the same length; prints its port. */
async function respond(): Promise<void> {
  const socket = await Bun.udpSocket({
    hostname: "127.0.0.1",
    socket: {
      data(self, datagram, port, address) {
        const request = decodeScpRequest(datagram)
        if (!request) return
        const reply = encodeScpReply({
          sdp: { ...request.sdp, flags: 7, destPort: 7, destCpu: 31, srcPort: 0, srcCpu: 0 },
          result: Result.OK,
          sequence: request.sequence,
          body: datagram.subarray(14),
        })
        self.send(reply, port, address)
      },
      error() {},
    },
  })
  console.log(socket.port)
}

/** Keeps `window` requests outstanding, or with `rate` sends so many a second. */
async function generate(
  host: string,
  port: number,
  window: number,
  seconds: number,
  rate: number,
): Promise<LoadResult> {
  const slots = Array.from({ length: window }, () => ({ busy: false, sent: 0, id: 0 }))
  const latencies: number[] = []
  let [id, lost, late, scheduled, outstanding] = [0, 0, 0, 0, 0]
  const start = performance.now()
  const warm = start + WARM_MS
  const socket = await Bun.udpSocket({
    connect: { hostname: host, port },
    socket: {
      data(_, datagram) {
        const now = performance.now()
        const got = datagram.length === 26 + DATA_BYTES ? datagram.readUInt32LE(26) : -1
        const slot = slots[got % window]
        if (!slot?.busy || slot.id !== got) late++
        else {
          slot.busy = false
          outstanding--
          if (now >= warm) latencies.push((now - slot.sent) * 1000)
        }
        if (rate === 0) fill(now)
      },
      error() {},
    },
  })
  const send = (index: number, now: number): void => {
    do id = (id + 1) >>> 0
    while (id % window !== index)
    Object.assign(slots[index]!, { busy: true, sent: now, id })
    outstanding++
    scheduled++
    const data = Buffer.alloc(DATA_BYTES)
    data.writeUInt32LE(id)
    const sdp = monitorHeader(0, 0)
    const request = { sdp, command: 3, sequence: id & 0xffff, arg1: 0x6000_0000, arg2: DATA_BYTES, arg3: 2, data }
    try {
      socket.send(encodeScpRequest(request))
    } catch {
      // An ICMP error of an earlier datagram: this one is found lost in time.
    }
  }
  const fill = (now: number): void => {
    let wanted = window - outstanding
    if (rate > 0) wanted = Math.min(wanted, Math.floor(((now - start) * rate) / 1000) - scheduled)
    for (let index = 0; index < window && wanted > 0; index++) {
      if (slots[index]!.busy) continue
      send(index, now)
      wanted--
    }
  }
  const cpu = process.cpuUsage()
  while (performance.now() < warm + seconds * 1000) {
    const now = performance.now()
    for (const slot of slots) {
      if (!slot.busy || now - slot.sent < LOST_MS) continue
      slot.busy = false
      outstanding--
      lost++
    }
    fill(now)
    await Bun.sleep(rate > 0 ? 1 : 20)
  }
  const end = performance.now()
  const used = process.cpuUsage(cpu)
  socket.close()
  latencies.sort((a, b) => a - b)
  return {
    rate: (latencies.length * 1000) / (end - warm),
    p50Us: percentile(latencies, 0.5),
    p99Us: percentile(latencies, 0.99),
    answered: latencies.length,
    lost,
    late,
    cpuShare: (used.user + used.system) / 1000 / (end - start),
  }
}

const [mode = "", host = "", ...numbers] = process.argv.slice(2)
const [port = 0, window = 1, seconds = 1, rate = 0] = numbers.map(Number)
if (mode === "respond") await respond()
else console.log(JSON.stringify(await generate(host, port, window, seconds, rate)))
