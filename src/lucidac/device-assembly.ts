/** The devices behind a proxy as one computer: whether they are there, which carrier is whose, and what they are. */
import type { Address } from "../transport/address.ts"
import type { Clock } from "../transport/clock.ts"
import type { Random } from "../transport/random.ts"
import { Backend, type DeviceNetwork } from "./backend.ts"
import type { V1Message } from "./envelope.ts"
import type { ProxyEvent } from "./events.ts"
import type { CarrierLocation, ExtractWire } from "./extract.ts"
import type { JsonEnvelope } from "./json-lines.ts"
import type { Assembly } from "./requests.ts"
import { RouteTable } from "./route-table.ts"
import type { Placed } from "./run-desk.ts"

/** One device of the backend list. */
export interface ListedBackend {
  readonly address: Address
  readonly location: CarrierLocation | undefined
}

/** One end of a wire of the backend list, by its carrier line. */
export interface ListedWireEnd {
  readonly backend: number
  readonly pin: number | string
}

/** What a computer is made of. */
export interface AssemblyOptions {
  readonly backends: readonly ListedBackend[]
  readonly wires: readonly { readonly source: ListedWireEnd; readonly target: ListedWireEnd }[]
  /** Nobody is served unless all devices are there, or one suffices. */
  readonly require: "all" | "any"
  readonly noUdp: boolean
}

/** What it works with, and whom it tells. */
export interface AssemblyContext {
  readonly clock: Clock
  readonly random: Random
  readonly network: DeviceNetwork
  readonly onEvent: (event: ProxyEvent) => void
  /** A device is there, or gone with the reason. */
  readonly onChange: (placed: Placed, lost: string | undefined) => void
  readonly onMessage: (placed: Placed, message: V1Message) => void
  readonly onJson: (backend: Backend, envelope: JsonEnvelope, object: Uint8Array) => void
}

/** The devices. */
export class DeviceAssembly implements Assembly {
  readonly backends: readonly Backend[]
  readonly #options: AssemblyOptions
  readonly #onEvent: (event: ProxyEvent) => void
  #routes = new RouteTable([])

  constructor(options: AssemblyOptions, context: AssemblyContext) {
    const { clock, random, network, onEvent } = context
    this.#options = options
    this.#onEvent = onEvent
    this.backends = options.backends.map(
      ({ address, location }, index) =>
        new Backend({
          address,
          location,
          noUdp: options.noUdp,
          clock,
          random,
          network,
          onEvent,
          onChange: (backend, lost) => {
            this.#learn()
            context.onChange({ index, backend }, lost)
          },
          onMessage: (backend, message) => context.onMessage({ index, backend }, message),
          onJson: context.onJson,
        }),
    )
  }

  get routes(): RouteTable {
    return this.#routes
  }

  /** The wires between carriers that have told who they are. */
  get wires(): readonly ExtractWire[] {
    const end = ({ backend, pin }: ListedWireEnd) => ({ carrier: this.backends[backend]?.carriers[0] ?? "", pin })
    return this.#options.wires
      .map(({ source, target }) => ({ source: end(source), target: end(target) }))
      .filter(({ source, target }) => source.carrier !== "" && target.carrier !== "")
  }

  /** Enough devices are there to serve anybody. */
  get available(): boolean {
    if (this.#options.require === "any") return this.backends.some(({ up }) => up)
    return this.backends.every(({ up }) => up)
  }

  /** Those of one generation that are there. */
  present(language: "protobuf" | "json"): Backend[] {
    return this.backends.filter((backend) => backend.up && backend.language === language)
  }

  /** Why devices cannot understand a client: they are of the other generation. */
  strangeTo(language: "protobuf" | "json"): string | undefined {
    const other = this.backends.find((backend) => backend.up && backend.language !== language)
    if (!other) return undefined
    return language === "json"
      ? `${other.name} speaks the newer protocol, protobuf; this client speaks JSON lines: use pybrid with it`
      : `${other.name} speaks the older protocol of JSON lines; this client speaks protobuf: use lucipy with it`
  }

  /** Which devices are not there, and why. */
  get missingText(): string {
    const missing = this.backends.filter(({ up }) => !up).map(({ name, trouble }) => `${name} (${trouble})`)
    return `Cluster degraded: not connected to ${missing.join(", ")}`
  }

  /** Begins to connect to the devices, all at once. */
  start(): void {
    for (const backend of this.backends) backend.start()
  }

  close(): void {
    for (const backend of this.backends) backend.close()
  }

  /** A device has come or gone: who has which carrier now? */
  #learn(): void {
    this.#routes = new RouteTable(this.backends.map(({ up, specification }) => (up ? specification : undefined)))
    const name = (index: number): string => this.backends[index]!.name
    for (const { carrier, kept, ignored } of this.#routes.duplicates) {
      this.#onEvent({ type: "duplicate-carrier", carrier, kept: name(kept), ignored: name(ignored) })
    }
  }
}
