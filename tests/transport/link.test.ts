/** What BaseLink adds for every transport: the bounded hold, and onClose once and last. */
import { describe, expect, test } from "bun:test"
import { BaseLink, type CloseReason, HOLD_LIMIT, MAX_DATAGRAM } from "../../src/transport/link.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

/** A link whose carrier is the test. */
class TestLink extends BaseLink {
  readonly peer = "192.0.2.7:40112"
  readonly sent: Uint8Array[] = []
  released = 0

  constructor(readonly observer = new RecordingObserver()) {
    super(observer)
  }

  arrive(...bytes: number[]): void {
    this.deliver(Uint8Array.from(bytes))
  }

  arriveLong(length: number): void {
    this.deliver(new Uint8Array(length))
  }

  peerCloses(code: CloseReason["code"] = "peer-closed"): void {
    this.finish({ code })
  }

  protected override transmit(datagram: Uint8Array): void {
    this.sent.push(datagram)
  }

  protected override release(): void {
    this.released++
  }
}

/** Everything that a link says, in order. */
function listen(link: TestLink, heard: string[] = []): string[] {
  link.onDatagram = (datagram) => heard.push(`datagram ${datagram[0]}`)
  link.onClose = ({ code }) => heard.push(code)
  return heard
}

describe("BaseLink", () => {
  test("holds by bytes as well as by count, the oldest going first", () => {
    const link = new TestLink()
    const each = 60_000
    const fit = Math.floor(HOLD_LIMIT.bytes / each)
    for (let i = 0; i < fit + 3; i++) link.arriveLong(each)
    let got = 0
    link.onDatagram = () => got++
    expect(got).toBe(fit)
    expect(link.observer.dropped.get("hold-full")).toBe(3)
  })

  test("delivers at once when somebody listens", () => {
    const link = new TestLink()
    const heard = listen(link)
    link.arrive(1)
    expect(heard).toEqual(["datagram 1"])
  })

  test("says that it closed only after the datagrams that came before, whichever handler is set first", () => {
    for (const first of ["onDatagram", "onClose"]) {
      const link = new TestLink()
      const heard: string[] = []
      link.arrive(1)
      link.arrive(2)
      link.peerCloses()
      if (first === "onClose") link.onClose = ({ code }) => heard.push(code)
      link.onDatagram = (datagram) => heard.push(`datagram ${datagram[0]}`)
      if (first === "onDatagram") link.onClose = ({ code }) => heard.push(code)
      expect(heard).toEqual(["datagram 1", "datagram 2", "peer-closed"])
    }
  })

  test("close() by this side gives up what is held, counted, and says so even if nobody ever listened", () => {
    const link = new TestLink()
    const reasons: string[] = []
    link.onClose = ({ code }) => reasons.push(code)
    link.arrive(1)
    link.peerCloses()
    expect(reasons).toEqual([])
    link.close()
    expect(reasons).toEqual(["peer-closed"])
    expect(link.observer.dropped.get("closed")).toBe(1)
  })

  test("a handler that closes the link while held datagrams are delivered gets no more of them", () => {
    const link = new TestLink()
    for (let i = 0; i < 3; i++) link.arrive(i)
    const heard: string[] = []
    link.onClose = ({ code }) => heard.push(code)
    link.onDatagram = (datagram) => {
      heard.push(`datagram ${datagram[0]}`)
      link.close()
    }
    expect(heard).toEqual(["datagram 0", "closed"])
    expect(link.observer.dropped.get("closed")).toBe(2)
  })

  test("a handler that throws on a held datagram still gets the others, and the throw comes out", () => {
    const link = new TestLink()
    for (let i = 0; i < 3; i++) link.arrive(i)
    const got: number[] = []
    expect(() => {
      link.onDatagram = (datagram) => {
        got.push(datagram[0]!)
        if (datagram[0] === 0) throw new Error("a bug in the handler")
      }
    }).toThrow("a bug in the handler")
    link.arrive(3)
    expect(got).toEqual([0, 1, 2, 3])
  })

  test("a datagram that comes while held ones are being delivered waits its turn", () => {
    const link = new TestLink()
    link.arrive(0)
    link.arrive(1)
    const got: number[] = []
    link.onDatagram = (datagram) => {
      got.push(datagram[0]!)
      if (datagram[0] === 0) link.arrive(2)
    }
    expect(got).toEqual([0, 1, 2])
  })

  test("lets go of its carrier exactly once, before it says that it closed", () => {
    const link = new TestLink()
    let releasedWhenTold = -1
    link.onClose = () => {
      releasedWhenTold = link.released
    }
    link.close()
    link.peerCloses("failed")
    link.close()
    expect(link.released).toBe(1)
    expect(releasedWhenTold).toBe(1)
  })

  test("takes the first reason that there is", () => {
    const link = new TestLink()
    const heard = listen(link)
    link.peerCloses("failed")
    link.close({ code: "idle" })
    expect(heard).toEqual(["failed"])
  })

  test("counts what comes or is sent after the end", () => {
    const link = new TestLink()
    const heard = listen(link)
    link.close()
    link.arrive(1)
    link.send(Uint8Array.of(2))
    expect(heard).toEqual(["closed"])
    expect(link.sent).toEqual([])
    expect(link.observer.dropped.get("closed")).toBe(2)
  })

  test("carries 65,507 bytes and counts one more as oversize", () => {
    const link = new TestLink()
    link.send(new Uint8Array(MAX_DATAGRAM))
    link.send(new Uint8Array(MAX_DATAGRAM + 1))
    expect(link.sent.map(({ length }) => length)).toEqual([MAX_DATAGRAM])
    expect(link.observer.dropped.get("oversize")).toBe(1)
  })
})
