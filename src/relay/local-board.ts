/** One board's stand-in on the user's machine: listeners at an address of its own, and a relay for each channel. */
import type { Channel } from "../observe/events.ts"
import { isLoopback } from "../transport/address.ts"
import type { Dial } from "../transport/link.ts"
import { listenUdp, type UdpListener } from "../transport/udp-listener.ts"
import type { Board } from "./board.ts"
import type { TagDelivery } from "./deliver-tags.ts"
import type { EndpointContext, EndpointSettings } from "./endpoint.ts"
import type { Stage } from "./flow.ts"
import { Relay } from "./relay.ts"
import { type AddressMap, rewriteAddresses } from "./rewrite-addresses.ts"
import { answerOnce } from "./scp-answer-once.ts"
import { explainTakenPort, serviceSettings } from "./services.ts"
import { watchBoot } from "./watch-boot.ts"
import { watchVersion } from "./watch-version.ts"

/** Where beacons are replayed to: every program on this machine that listens for broadcasts. */
const LOOPBACK_BROADCAST = "127.255.255.255"

/** What a stand-in is made from. */
export interface LocalBoardOptions {
  /** For the log. */
  readonly name: string
  readonly settings: EndpointSettings
  readonly context: EndpointContext
  readonly channels: readonly Channel[]
  /** Addresses to listen on; empty = all. */
  readonly bind: readonly string[]
  readonly dial: (channel: Channel) => Dial
  /** Other boards' addresses in replies; none for a BMP. */
  readonly addresses: AddressMap | undefined
  /** What the board sends by IP tag; none for a BMP. */
  readonly tags: TagDelivery | undefined
  /** A program has read the address of a board that has none here. */
  readonly onUnknownAddress: (address: string) => void
}

/** Listens for programs; nothing is dialled before `start`. */
export class LocalBoard {
  readonly ports = new Map<Channel, number>()
  readonly #options: LocalBoardOptions
  readonly #listeners = new Map<Channel, UdpListener>()
  readonly #relays: Relay[] = []

  private constructor(options: LocalBoardOptions) {
    this.#options = options
  }

  /** Binds the ports; rejects with PortNeededError when one is taken. */
  static async open(options: LocalBoardOptions): Promise<LocalBoard> {
    const board = new LocalBoard(options)
    const { settings, context, bind } = options
    try {
      for (const channel of options.channels) {
        const service = serviceSettings(settings, channel)
        const { clock, random, observer } = context
        const common = { clock, random, observer, bind, allow: settings.allow, channel, role: "client" }
        // Programs that look for boards listen at the boot port too, beside this one.
        const shared = channel === "boot"
        const listener = await explainTakenPort("client", service, "UDP", () =>
          listenUdp({ ...common, port: service.boardPort, shared }),
        )
        board.#listeners.set(channel, listener)
        board.ports.set(channel, listener.address.port)
      }
    } catch (error) {
      board.close()
      throw error
    }
    return board
  }

  /** Flows now. */
  get flowCount(): number {
    return this.#relays.reduce((sum, relay) => sum + relay.flowCount, 0)
  }

  /** Lets programs through. */
  start(): void {
    const { settings, context, dial, tags } = this.#options
    const { clock, observer } = context
    const stages = this.#stages()
    for (const [channel, listener] of this.#listeners) {
      const limits = settings.limits
      const common = { channel, dial: dial(channel), stages: stages[channel], limits, clock, observer }
      const relay = new Relay({ ...common, ...(channel === "scp" && tags && { keeps: tags.keeps }) })
      this.#relays.push(relay)
      listener.onLink = relay.accept
    }
  }

  /** The board's beacon, for programs on this machine that listen for it; they see it come from this board's address. */
  hello(datagram: Uint8Array): void {
    const listener = this.#listeners.get("boot")
    // At a wildcard address the relay would hear its own beacon, and programs would see the wrong sender.
    if (!listener || !isLoopback(listener.address.host)) return
    listener.broadcast(datagram, { host: LOOPBACK_BROADCAST, port: listener.address.port })
  }

  close(): void {
    for (const listener of this.#listeners.values()) listener.close()
    for (const relay of this.#relays) relay.close()
  }

  #stages(): Record<Channel, Stage[]> {
    const { name, settings, context, addresses, tags, onUnknownAddress } = this.#options
    const { clock, random, observer } = context
    const far: Board = { name, clock, random, observer }
    return {
      scp: [
        ...(addresses ? [rewriteAddresses(addresses, observer, onUnknownAddress)] : []),
        ...(settings.scpGuard ? [answerOnce(far)] : []),
        watchVersion(far),
        ...(tags ? [tags.stage] : []),
      ],
      boot: [watchBoot(far)],
    }
  }
}
