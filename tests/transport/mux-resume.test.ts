/** Sessions that go on over one connection after another, cut at any moment: nothing reaches whom it is not for. */
import { describe, expect, test } from "bun:test"
import { MuxConnection, type MuxFlow } from "../../src/transport/mux-connection.ts"
import { type Random, seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { FakePort } from "../support/fake-port.ts"
import { integer } from "../support/fuzz.ts"
import { eventLoopTurn } from "../support/link-contract.ts"
import { RecordingObserver } from "../support/recording-observer.ts"

/** One direction of a connection: what was written and has not come yet. */
class Pipe {
  #bytes = Buffer.alloc(0)

  constructor(
    readonly port: FakePort,
    private readonly reader: MuxConnection,
  ) {}

  /** Takes what was written, and delivers up to `count` bytes of it; returns how many. */
  deliver(count: number): number {
    this.#bytes = Buffer.concat([this.#bytes, this.port.taken()])
    const chunk = new Uint8Array(this.#bytes.subarray(0, count))
    this.#bytes = this.#bytes.subarray(chunk.length)
    if (chunk.length > 0) this.reader.received(chunk)
    return chunk.length
  }
}

interface ClientFlow {
  readonly name: string
  readonly flow: MuxFlow
  readonly heard: string[]
  closed: boolean
}

/** A client and a server that echoes, over a line which a test cuts. */
class Session {
  readonly clock = new FakeClock()
  readonly observer = new RecordingObserver()
  readonly faults: string[] = []
  readonly flows: ClientFlow[] = []
  /** What the server got, all flows'. */
  readonly asked: string[] = []
  /** Links open at the server, by the client's name for them. */
  readonly links = new Map<string, MuxFlow>()
  /** How often each was opened there. */
  readonly opened = new Map<string, number>()
  readonly client: MuxConnection
  readonly server: MuxConnection
  #clientPort = new FakePort()
  #serverPort = new FakePort()
  /** Client to server and back; undefined while there is no connection. */
  #up: Pipe | undefined
  #down: Pipe | undefined
  #asked = 0
  #named = 0

  constructor() {
    const { clock, observer } = this
    const common = { clock, drops: observer, peer: "peer" }
    const dead = (who: string) => (detail: string) => this.faults.push(`${who}: ${detail}`)
    this.client = new MuxConnection({ ...common, port: this.#clientPort, onDead: dead("client") })
    this.server = new MuxConnection({
      ...common,
      port: this.#serverPort,
      onDead: dead("server"),
      onOpen: (flow, { application }) => {
        if (this.links.has(application)) this.faults.push(`${application} was opened twice`)
        this.links.set(application, flow)
        this.opened.set(application, (this.opened.get(application) ?? 0) + 1)
        return {
          onDatagram: (datagram) => {
            const text = Buffer.from(datagram).toString()
            this.asked.push(text)
            if (!text.startsWith(`${application}/`)) this.faults.push(`${application} got ${text}`)
            flow.send(Buffer.from(text))
          },
          onClose: () => this.links.delete(application),
        }
      },
    })
    this.#connect()
  }

  get up(): boolean {
    return this.#up !== undefined
  }

  open(): ClientFlow {
    const name = `app-${++this.#named}`
    const heard: string[] = []
    const one: ClientFlow = {
      name,
      heard,
      closed: false,
      flow: this.client.open(this.#named % 5 === 0 ? "boot" : "scp", "", name, {
        onDatagram: (datagram) => {
          const text = Buffer.from(datagram).toString()
          heard.push(text)
          if (!text.startsWith(`${name}/`)) this.faults.push(`${name} heard ${text}`)
        },
        onClose: () => {
          one.closed = true
        },
      }),
    }
    this.flows.push(one)
    return one
  }

  /** Sends a request that is like no other; returns it. */
  ask({ name, flow }: ClientFlow, padding = 0): string {
    const text = `${name}/${++this.#asked}/${"x".repeat(padding)}`
    flow.send(Buffer.from(text))
    return text
  }

  /** Closes the server's end of a link, as it does with an idle one. */
  closeAtServer(name: string): void {
    const flow = this.links.get(name)
    this.links.delete(name)
    flow?.close({ code: "idle" })
  }

  /** The system at both ends takes so many bytes before it is full. */
  squeeze(bytes: number): void {
    this.#clientPort.takes = bytes
    this.#serverPort.takes = bytes
  }

  roomAgain(): void {
    this.squeeze(Number.POSITIVE_INFINITY)
    if (!this.up) return
    this.client.drained()
    this.server.drained()
  }

  /** Up to `count` bytes arrive each way; false if there was nothing to come. */
  deliver(count: number): boolean {
    return [this.#up?.deliver(count), this.#down?.deliver(count)].some((bytes) => bytes !== undefined && bytes > 0)
  }

  /** The connection is gone with all that was on its way; `seen` is who notices before the next one comes. */
  cut(seen: "client" | "both"): void {
    this.#up = undefined
    this.#down = undefined
    this.client.detach()
    if (seen === "both") this.server.detach()
  }

  /** The next connection: the server has it first, and what it writes may be there before the client's. */
  async reconnect(early: number): Promise<void> {
    this.#clientPort = new FakePort()
    this.#serverPort = new FakePort()
    this.server.attach(this.#serverPort)
    await eventLoopTurn()
    this.#connect()
    this.client.attach(this.#clientPort)
    this.#down!.deliver(early)
  }

  /** All that is on its way arrives. */
  async settle(): Promise<void> {
    this.roomAgain()
    for (let quiet = 0; quiet < 3; quiet++) {
      if (this.deliver(Number.POSITIVE_INFINITY)) quiet = 0
      await eventLoopTurn()
    }
  }

  #connect(): void {
    this.#up = new Pipe(this.#clientPort, this.server)
    this.#down = new Pipe(this.#serverPort, this.client)
  }
}

/** One thing that may happen. */
async function happen(session: Session, random: Random): Promise<"cut" | undefined> {
  const open = session.flows.filter(({ closed }) => !closed)
  const any = open[integer(random, 0, Math.max(0, open.length - 1))]
  switch (integer(random, 0, 39)) {
    case 0:
      if (open.length < 12) session.open()
      return undefined
    case 1:
      if (!any || open.length < 4) return undefined
      any.closed = true
      any.flow.close({ code: "closed" })
      return undefined
    case 2:
      if (any && integer(random, 0, 3) === 0) session.closeAtServer(any.name)
      return undefined
    case 3:
      session.squeeze(integer(random, 0, 400))
      return undefined
    case 4:
      session.roomAgain()
      return undefined
    case 5:
      session.clock.advance(integer(random, 1, 300))
      return undefined
    case 6:
      // A connection lives longer than the wait for the next.
      if (session.up && integer(random, 0, 2) > 0) return undefined
      if (session.up) session.cut(integer(random, 0, 1) ? "both" : "client")
      else await session.reconnect(integer(random, 0, 100))
      return session.up ? undefined : "cut"
    case 7:
      if (any) for (let burst = integer(random, 1, 8); burst > 0; burst--) session.ask(any, integer(random, 0, 60_000))
      return undefined
    default:
      if (any && integer(random, 0, 1)) session.ask(any, integer(random, 0, 300))
      session.deliver(integer(random, 1, 2_000))
      await eventLoopTurn()
      return undefined
  }
}

describe("a session over many connections", () => {
  for (const seed of [1, 2, 3, 4]) {
    test(`takes nothing to the wrong flow, nothing twice, and keeps its flows, over 60 cuts (seed ${seed})`, async () => {
      const random = seededRandom(seed)
      const session = new Session()
      for (let at = 0; at < 4; at++) session.open()
      for (let cuts = 0; cuts < 60; ) if ((await happen(session, random)) === "cut") cuts++
      if (!session.up) await session.reconnect(0)
      await session.settle()

      expect(session.faults).toEqual([])
      expect(new Set(session.asked).size).toBe(session.asked.length)
      const heard = session.flows.flatMap((flow) => flow.heard)
      expect(new Set(heard).size).toBe(heard.length)
      // The cuts were no empty ones, and something got through.
      expect(session.asked.length).toBeGreaterThan(100)

      const open = session.flows.filter(({ closed }) => !closed)
      expect([...session.links.keys()].sort()).toEqual(open.map(({ name }) => name).sort())
      expect([session.client.flowCount, session.server.flowCount]).toEqual([open.length, open.length])
      for (const flow of open) {
        const asked = session.ask(flow)
        await session.settle()
        expect(flow.heard.at(-1)).toBe(asked)
      }
      expect(session.faults).toEqual([])
    }, 30_000)
  }

  test("keeps the server's ends of flows: a cut opens none anew", async () => {
    const session = new Session()
    const flows = [session.open(), session.open(), session.open()]
    await session.settle()
    for (let cut = 0; cut < 20; cut++) {
      session.cut(cut % 2 ? "both" : "client")
      await session.reconnect(0)
      await session.settle()
    }
    expect(flows.map(({ name }) => session.opened.get(name))).toEqual([1, 1, 1])
  })

  test("does not end a flow that was opened again for what waited when its last end was closed", async () => {
    const session = new Session()
    const flow = session.open()
    await session.settle()
    session.squeeze(0)
    for (let count = 0; count < 4; count++) session.ask(flow, 60_000)
    session.roomAgain()
    await eventLoopTurn()
    session.squeeze(0)
    session.deliver(Number.POSITIVE_INFINITY)
    session.closeAtServer(flow.name)
    session.cut("both")
    await session.reconnect(0)
    await session.settle()
    expect([session.client.flowCount, session.server.flowCount]).toEqual([1, 1])
    const asked = session.ask(flow)
    await session.settle()
    expect(flow.heard.at(-1)).toBe(asked)
  })
})
