/** What fake devices of both generations have in common: clients come, and the device may be gone for a while. */
import type { Clock } from "../transport/clock.ts"
import type { TcpOwner, TcpPort } from "../transport/tcp-port.ts"
import { type Death, type FakeDeviceOptions, REBOOT_MS } from "./fake-options.ts"
import { RunState } from "./proto/lucidac_pb.ts"

/** Requests that are remembered. */
const MAX_REQUESTS = 10_000

/** What a connection is to its device. */
interface Connection extends TcpOwner {
  readonly host: string
  close(): void
}

/** Which state of a run is which death. */
const DEATH_OF_STATE: ReadonlyMap<RunState, Death> = new Map([
  [RunState.TAKE_OFF, "take-off"],
  [RunState.IC, "ic"],
  [RunState.OP, "op"],
  [RunState.OP_END, "op-end"],
  [RunState.DONE, "done"],
])

/** A device that can be gone. */
export abstract class MortalDevice<Client extends Connection> {
  /** Requests that came, by name, in order; the last 10,000. */
  readonly requests: string[] = []
  protected readonly connections = new Set<Client>()
  protected readonly clock: Clock
  readonly #onGone: FakeDeviceOptions["onGone"]
  readonly #onRequest: FakeDeviceOptions["onRequest"]
  #gone = false
  #dieAt: Death | undefined

  constructor(options: Pick<FakeDeviceOptions, "clock" | "dieAt" | "onGone" | "onRequest">) {
    this.clock = options.clock
    this.#dieAt = options.dieAt
    this.#onGone = options.onGone
    this.#onRequest = options.onRequest
  }

  /** MACs of its carriers. */
  abstract get macs(): readonly string[]

  /** A client's connection; `onClose` is to be called once when it is over. */
  protected abstract connection(port: TcpPort, onClose: (client: Client) => void): Client

  /** Loses runs and configuration without a word. */
  protected abstract forget(): void

  /** Connections open now. */
  get connectionCount(): number {
    return this.connections.size
  }

  /** Takes a connection; undefined (and it is reset) while the device is gone. */
  accept(port: TcpPort): TcpOwner | undefined {
    if (this.#gone || this.diesAt("connect")) {
      port.abort()
      return undefined
    }
    const client = this.connection(port, (gone) => this.connections.delete(gone))
    this.connections.add(client)
    return client
  }

  /** Is gone, connections reset and runs lost, until `revive()`. */
  die(): void {
    this.#leave(undefined)
  }

  /** The same for a while. */
  reboot(forMs = REBOOT_MS): void {
    this.#leave(forMs)
    this.clock.after(forMs, () => this.revive())
  }

  /** Is there again, with nothing configured. */
  revive(): void {
    this.#gone = false
  }

  /** Dies the next time it comes to this. */
  dieAt(death: Death | undefined): void {
    this.#dieAt = death
  }

  /** Takes note of a request. */
  protected noteRequest(name: string, from: Client): void {
    if (this.requests.length >= MAX_REQUESTS) this.requests.shift()
    this.requests.push(name)
    this.#onRequest?.(name, from.host)
  }

  /** True where it was to die of this, and has. */
  protected diesAt(death: Death | undefined): boolean {
    if (death === undefined || death !== this.#dieAt) return false
    this.#dieAt = undefined
    this.die()
    return true
  }

  /** The same for a state that a run has come to. */
  protected diesIn(state: RunState): boolean {
    return this.diesAt(DEATH_OF_STATE.get(state))
  }

  #leave(backMs: number | undefined): void {
    this.#gone = true
    this.forget()
    for (const client of [...this.connections]) client.close()
    this.#onGone?.(backMs)
  }
}
