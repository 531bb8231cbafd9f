/** The way from a tag to the program that set it: over a mux connection to the client, or straight from a local port. */
import type { Drops } from "../observe/observer.ts"
import type { IptagRequest } from "../protocol/iptag.ts"
import type { RxPorts, RxUser } from "../transport/rx-ports.ts"
import type { AsidePath, TaggedPath } from "../transport/tagged-path.ts"

/** What a program's flow does with tagged datagrams. */
export interface TagOutlet {
  /** The board has sent `datagram` from its UDP port `port` by `tag`, which was asked for so. */
  out(tag: number, port: number, datagram: Uint8Array, asked: IptagRequest): void
  /**
   * Tag `tag` is about to be set: a reverse one needs its port here. Undefined where nothing is to be waited for; else
   * resolves to the error's code if the port cannot be had.
   */
  listen(tag: number, asked: IptagRequest): Promise<string | undefined> | undefined
  /** The flow holds `tag` no more, or not as a reverse one. */
  unlisten(tag: number): void
  close(): void
}

/** Called with what a program sends to the port of a reverse tag. */
export type IntoTag = (tag: number, port: number, datagram: Uint8Array) => void

/** To the client of ours at the other end of a connection, which knows what its program meant. */
export function clientOutlet(path: TaggedPath, into: IntoTag, drops: Drops): TagOutlet {
  path.onTagged = ({ tag, direction, port, datagram }) => {
    if (direction === "in") into(tag, port, datagram)
    else drops.drop("tag-stray", "tagged frames")
  }
  return {
    out: (tag, port, datagram) => path.sendTagged({ tag, direction: "out", port, datagram }),
    listen: () => undefined,
    unlisten() {},
    close() {},
  }
}

/** What a local outlet needs. */
export interface LocalOutletOptions {
  readonly aside: AsidePath
  readonly rxPorts: RxPorts
  readonly drops: Drops
  readonly into: IntoTag
  /** The host that a tag leads to; the port is the asker's or the one asked for. */
  readonly hostOf: (asked: IptagRequest) => string
  /** May this host send to the program's reverse tags? */
  readonly admits: (host: string) => boolean
}

/** To a program that sends to a UDP listener of this process: from the very port that it sends to. */
export class LocalOutlet implements TagOutlet {
  readonly #options: LocalOutletOptions
  /** Ports open for reverse tags, by tag. */
  readonly #listening = new Map<number, { readonly port: number; readonly user: RxUser }>()

  constructor(options: LocalOutletOptions) {
    this.#options = options
  }

  out(tag: number, port: number, datagram: Uint8Array, asked: IptagRequest): void {
    const { aside, rxPorts, drops, hostOf } = this.#options
    if (asked.reverse) {
      const rx = this.#listening.get(tag)
      if (rx) rxPorts.reply(aside.localHost, rx.port, rx.user, datagram)
      else drops.drop("tag-stray", `port ${port}`)
      return
    }
    const to = asked.useSender ? aside.port : asked.port
    // The board stores a zero port as it is, and sends nothing anywhere.
    if (to === 0) drops.drop("tag-stray", "port 0")
    else aside.sendAside(datagram, hostOf(asked), to)
  }

  listen(tag: number, { reverse, port }: IptagRequest): Promise<string | undefined> | undefined {
    if (!reverse) return undefined
    const { aside, rxPorts, into, admits } = this.#options
    const before = this.#listening.get(tag)
    if (before?.port === port) return rxPorts.claim(aside.localHost, port, before.user)
    if (before) this.unlisten(tag)
    const user: RxUser = { admits, onDatagram: (datagram) => into(tag, port, datagram) }
    this.#listening.set(tag, { port, user })
    return rxPorts.claim(aside.localHost, port, user).then((code) => {
      if (code !== undefined && this.#listening.get(tag)?.user === user) this.#listening.delete(tag)
      return code
    })
  }

  unlisten(tag: number): void {
    const { aside, rxPorts } = this.#options
    const rx = this.#listening.get(tag)
    if (!rx) return
    this.#listening.delete(tag)
    rxPorts.release(aside.localHost, rx.port, rx.user)
  }

  close(): void {
    for (const tag of [...this.#listening.keys()]) this.unlisten(tag)
  }
}
