/** Connects to whichever of a server's addresses answers first: which one leads to it depends on where this machine is. */
import { type Address, formatAddress } from "../address.ts"
import type { Clock } from "../clock.ts"
import type { Resolver } from "../resolver.ts"
import type { TcpOwner } from "../tcp-port.ts"
import { connectTls, type SecurePort } from "./tls-port.ts"

/** One way to a server. */
export interface Way {
  readonly resolver: Resolver
  readonly port: number
}

/** `name:port` of a way. */
export function wayName({ resolver, port }: Way): string {
  return formatAddress({ host: resolver.name, port })
}

/** A connection, names and TLS included, is given up after this. */
export const REACH_TIMEOUT_MS = 5_000
/** Each further way is tried this much later: a server that is where it was is not called at all its addresses. */
const STAGGER_MS = 250

/** A connection that has been made; call `own` at once. */
export interface Reached {
  readonly way: Way
  readonly port: SecurePort
}

/** What became of it: `ownNetwork` if no way failed for another reason than this machine's own network. */
export type ReachResult =
  | { readonly ok: true; readonly reached: Reached }
  | { readonly ok: false; readonly detail: string; readonly ownNetwork: boolean }

/** The ways in order of preference; resolves when one has answered or all have failed, never rejects. */
export function reach(options: {
  ways: readonly Way[]
  clock: Clock
  ownerOf: (reached: Reached) => TcpOwner
  noWayTo?: (address: Address) => Promise<string | undefined>
}): Promise<ReachResult> {
  const { ways, clock, ownerOf, noWayTo } = options
  return new Promise((resolve) => {
    let won = false
    let left = ways.length
    let ownNetwork = true
    let detail = "no address is known"
    const failed = (why: string, own: boolean): void => {
      left--
      // The first way is the likeliest: its trouble is the one to tell.
      if (left === ways.length - 1 || !own) detail = why
      ownNetwork &&= own
      if (left === 0 && !won) resolve({ ok: false, detail, ownNetwork })
    }
    const attempt = async (way: Way): Promise<void> => {
      const host = await within(way.resolver.resolve())
      if (won) return
      if (host === undefined) {
        failed(`the name ${way.resolver.name} leads to no address`, true)
        return
      }
      const result = await connectTls({
        address: { host, port: way.port },
        timeoutMs: REACH_TIMEOUT_MS,
        clock,
        ownerOf: (port) => {
          if (won) {
            port.abort()
            return DEAF
          }
          won = true
          const reached = { way, port }
          const owner = ownerOf(reached)
          resolve({ ok: true, reached })
          return owner
        },
        ...(noWayTo && { noWayTo }),
      })
      if (!result.ok) {
        way.resolver.invalidate()
        failed(result.detail, result.ownNetwork)
      }
    }
    const within = (name: Promise<string>): Promise<string | undefined> =>
      Promise.race([name, new Promise<undefined>((done) => clock.after(REACH_TIMEOUT_MS, () => done(undefined)))])
    if (ways.length === 0) resolve({ ok: false, detail, ownNetwork: false })
    ways.forEach((way, index) => {
      if (index === 0) void attempt(way)
      else clock.after(index * STAGGER_MS, () => (won ? undefined : void attempt(way)))
    })
  })
}

const DEAF: TcpOwner = { onData() {}, onDrain() {}, onClose() {} }
