/** A spalloc server on a free port with power work that is done at once or when the test says, and plain clients. */
import { afterEach } from "bun:test"
import type { SpallocConfig } from "../../src/spalloc/config.ts"
import { Controller } from "../../src/spalloc/controller.ts"
import { type PowerRunner, SpallocServer } from "../../src/spalloc/server.ts"
import type { SpallocEvent } from "../../src/spalloc/spalloc-events.ts"
import type { PowerResult, PowerWork } from "../../src/spalloc/types.ts"
import { type Clock, systemClock } from "../../src/transport/clock.ts"
import { RawPeer } from "./raw-tcp.ts"
import { until } from "./until.ts"

/** Work waits here until the test ends it. */
export class HeldPower implements PowerRunner {
  readonly waiting: { work: PowerWork; done: (result: PowerResult) => void }[] = []

  run(work: PowerWork, done: (result: PowerResult) => void): void {
    this.waiting.push({ work, done })
  }

  /** Ends everything that waits. */
  settle(result: PowerResult = { kind: "done" }): void {
    for (const { done } of this.waiting.splice(0)) done(result)
  }
}

/** A server that a test looks into. */
export interface TestServer {
  readonly server: SpallocServer
  readonly controller: Controller
  readonly power: HeldPower
  readonly events: SpallocEvent[]
  readonly port: number
}

const servers: SpallocServer[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** Starts a server that ends with the test. */
export function startServer(config: SpallocConfig, clock: Clock = systemClock): TestServer {
  const events: SpallocEvent[] = []
  const onEvent = (event: SpallocEvent): void => void events.push(event)
  const controller = new Controller({ config, state: ":memory:", clock, onEvent })
  const power = new HeldPower()
  const server = new SpallocServer({ controller, power, clock, onEvent, address: { host: "127.0.0.1", port: 0 } })
  servers.push(server)
  return { server, controller, power, events, port: server.address.port }
}

/** A client that sends what it is told and keeps the lines that come. */
export class LineClient {
  private constructor(readonly peer: RawPeer) {}

  static async connect(port: number): Promise<LineClient> {
    return new LineClient(await RawPeer.connect(port))
  }

  /** Everything that has come, parsed. */
  get lines(): unknown[] {
    const text = this.peer.received.toString("utf8")
    return text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  }

  sendText(text: string): void {
    this.peer.send(new TextEncoder().encode(text))
  }

  send(command: string, args: readonly unknown[] = [], kwargs: object = {}): void {
    this.sendText(`${JSON.stringify({ command, args, kwargs })}\n`)
  }

  /** The reply to one command; notifications that come before it stay in `lines`. */
  async ask(command: string, args: readonly unknown[] = [], kwargs: object = {}): Promise<unknown> {
    const before = this.replies.length
    this.send(command, args, kwargs)
    await until(() => this.replies.length > before, `the reply to ${command}`)
    return this.replies[before]
  }

  get replies(): unknown[] {
    return this.lines.filter((line) => "return" in (line as object) || "exception" in (line as object))
  }

  get notifications(): unknown[] {
    return this.lines.filter((line) => !("return" in (line as object) || "exception" in (line as object)))
  }
}
