/** Room for bursts, where the system grants it, and no more than that. */
import { describe, expect, test } from "bun:test"
import { ReceiveTuning, WANTED_RECEIVE_BUFFER } from "../../src/transport/receive-tuning.ts"
import { until } from "../support/link-contract.ts"
import { RecordingObserver } from "../support/recording-observer.ts"
import { listener, plain } from "../support/udp.ts"

describe("ReceiveTuning", () => {
  const granting = (grantedBytes: number | undefined, platform = "linux") => {
    const observer = new RecordingObserver()
    let asked = 0
    const load = () => () => {
      asked++
      return grantedBytes
    }
    return { observer, buffers: new ReceiveTuning(observer, load, platform), asked: () => asked }
  }

  test("tunes every socket and says once what was granted", () => {
    const { observer, buffers, asked } = granting(4 << 20)
    for (let fd = 3; fd < 6; fd++) buffers.tune({ fd })
    expect(asked()).toBe(3)
    expect(observer.events).toEqual([
      { type: "receive-buffer", grantedBytes: 4 << 20, wantedBytes: WANTED_RECEIVE_BUFFER, hint: undefined },
    ])
  })

  test("names the command that mends a small one", () => {
    const { observer, buffers } = granting(212_992)
    buffers.tune({ fd: 3 })
    expect(observer.events).toMatchObject([{ hint: "sysctl -w net.core.rmem_max=4194304" }])
    const mac = granting(212_992, "darwin")
    mac.buffers.tune({ fd: 3 })
    expect(mac.observer.of("receive-buffer")[0]?.hint).toContain("kern.ipc.maxsockbuf")
  })

  test("does nothing where there is no descriptor or no such call", () => {
    const { observer, buffers, asked } = granting(undefined)
    buffers.tune({ fd: undefined })
    buffers.tune({ fd: -1 })
    expect(asked()).toBe(0)
    buffers.tune({ fd: 3 })
    expect(observer.events).toEqual([])
  })

  test("lives with a libc that cannot be loaded, and tries it once", () => {
    const observer = new RecordingObserver()
    let loads = 0
    const buffers = new ReceiveTuning(observer, () => {
      loads++
      throw new Error("no libc.so.6")
    })
    buffers.tune({ fd: 3 })
    buffers.tune({ fd: 4 })
    expect(loads).toBe(1)
    expect(observer.events).toEqual([])
  })

  test.if(process.platform === "linux")(
    "a listener with what was granted takes a burst that a default socket loses",
    async () => {
      const { server, observer } = await listener()
      const granted = observer.of("receive-buffer")[0]?.grantedBytes ?? 0
      if (granted < 1 << 20) return
      let got = 0
      server.onLink = (link) => {
        link.onDatagram = () => got++
      }
      const sender = await plain()
      // One turn of the event loop: nothing is read meanwhile, so that all of it must fit into the buffer.
      const burst = "x".repeat(280)
      for (let i = 0; i < 1_500; i++) sender.send(burst, server.address.port)
      await until({}, () => got === 1_500)
    },
  )
})
