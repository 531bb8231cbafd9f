/** Turns the TARGET that a person typed into an address, and keeps at it: names come and go with the network. */
import { lookup as systemLookup } from "node:dns/promises"
import { isIP } from "node:net"
import type { Observer } from "../observe/observer.ts"
import { Backoff, RETRY } from "./backoff.ts"
import type { Clock, Timer } from "./clock.ts"
import type { Random } from "./random.ts"

/** The addresses of a name in order of preference; rejects (with a `code`) when there is none. */
export type Lookup = (name: string) => Promise<readonly string[]>

/** How long an answer is used without asking again, in milliseconds: as long as routers' DHCP names take to move. */
export const RESOLVED_FOR_MS = 60_000

/** What a `Resolver` needs. */
export interface ResolverOptions {
  /** A name or an IP literal, without brackets. */
  readonly name: string
  readonly clock: Clock
  readonly observer: Observer
  readonly random: Random
  readonly lookup?: Lookup
}

/** The system's resolver, IPv4 first: boards speak nothing else, and Python's proxy never asked for IPv6. */
export const lookupName: Lookup = async (name) => {
  const found = await systemLookup(name, { all: true })
  return found.sort((a, b) => a.family - b.family).map(({ address }) => address)
}

/** One name and what it means now. */
export class Resolver {
  readonly #options: ResolverOptions
  readonly #lookup: Lookup
  readonly #backoff: Backoff
  #current: string | undefined
  #resolvedAt = Number.NEGATIVE_INFINITY
  #waiting: ((host: string) => void)[] = []
  #asking = false
  #retry: Timer | undefined
  #complained = false
  #closed = false

  constructor(options: ResolverOptions) {
    this.#options = options
    this.#lookup = options.lookup ?? lookupName
    this.#backoff = new Backoff({ ...RETRY, random: options.random })
    if (isIP(options.name) !== 0) {
      this.#current = options.name
      this.#resolvedAt = Number.POSITIVE_INFINITY
    }
  }

  get name(): string {
    return this.#options.name
  }

  /** The last answer, however old; undefined before the first. */
  get current(): string | undefined {
    return this.#current
  }

  /**
   * An address of the name: the last answer while it is fresh, else a new one. Never rejects. When asking fails the
   * last answer still stands, since a network that is down takes its name server with it; a name that never had an
   * answer is asked for again and again. Stays pending after `close`.
   */
  resolve(): Promise<string> {
    if (this.#current !== undefined && this.#options.clock.now() - this.#resolvedAt < RESOLVED_FOR_MS) {
      return Promise.resolve(this.#current)
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      if (!this.#retry) this.#ask()
    })
  }

  /** The last answer led nowhere: the next `resolve` asks again, and takes another address of the name if it has one. */
  invalidate(): void {
    if (this.#resolvedAt !== Number.POSITIVE_INFINITY) this.#resolvedAt = Number.NEGATIVE_INFINITY
  }

  /** Stops asking. */
  close(): void {
    this.#closed = true
    this.#retry?.cancel()
    this.#waiting = []
  }

  async #ask(): Promise<void> {
    if (this.#asking || this.#closed) return
    this.#asking = true
    const invalid = this.#resolvedAt === Number.NEGATIVE_INFINITY
    let hosts: readonly string[] = []
    let detail = "no address"
    try {
      hosts = await this.#lookup(this.name)
    } catch (error) {
      detail = (error as { code?: string }).code?.replace(/^DNS_/, "") ?? String(error)
    }
    this.#asking = false
    if (this.#closed) return
    const host = this.#choose(hosts, invalid)
    if (host === undefined) this.#failed(detail)
    else this.#found(host)
  }

  /** The preferred address; after trouble, the one behind the last in the list, so that all get their turn. */
  #choose(hosts: readonly string[], invalid: boolean): string | undefined {
    const last = this.#current === undefined ? -1 : hosts.indexOf(this.#current)
    if (last < 0) return hosts[0]
    return invalid ? hosts[(last + 1) % hosts.length] : this.#current
  }

  #found(host: string): void {
    const { clock, observer } = this.#options
    this.#resolvedAt = clock.now()
    this.#backoff.reset()
    if (host !== this.#current || this.#complained) observer.event({ type: "resolved", name: this.name, host })
    this.#complained = false
    this.#current = host
    this.#tell(host)
  }

  #failed(detail: string): void {
    const { clock, observer } = this.#options
    const retryMs = this.#backoff.next()
    if (!this.#complained) observer.event({ type: "resolve-failed", name: this.name, detail, retryMs })
    this.#complained = true
    if (this.#current !== undefined) {
      this.#tell(this.#current)
      return
    }
    this.#retry = clock.after(retryMs, () => {
      this.#retry = undefined
      this.#ask()
    })
  }

  #tell(host: string): void {
    for (const resolve of this.#waiting.splice(0)) resolve(host)
  }
}
