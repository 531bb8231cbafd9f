/** Connects to whichever of a server's addresses answers first: which one leads to it depends on where this machine is. */
import type { Observer } from "../../observe/observer.ts"
import { type Address, formatAddress } from "../address.ts"
import { type Clock, every } from "../clock.ts"
import type { Random } from "../random.ts"
import { Resolver } from "../resolver.ts"
import type { ConnectResult, TcpOwner } from "../tcp-port.ts"
import { connectTls, type SecurePort } from "./tls-port.ts"

/** One way to a server. */
export interface Way {
  readonly resolver: Resolver
  readonly port: number
}

/** A way for each address, a name or an IP literal. */
export function waysTo(
  addresses: readonly Address[],
  context: { readonly clock: Clock; readonly observer: Observer; readonly random: Random },
): Way[] {
  return addresses.map(({ host, port }) => ({ resolver: new Resolver({ name: host, ...context }), port }))
}

/** `name:port` of a way. */
export function wayName({ resolver, port }: Way): string {
  return formatAddress({ host: resolver.name, port })
}

/** A connection, names and TLS included, is given up after this. */
export const REACH_TIMEOUT_MS = 5_000
/** Each further way is tried this much later: a server that is where it was is not called at all its addresses. */
const STAGGER_MS = 250
/**
 * A way that is silent is called again this often, beside the call that is under way: a system that got no answer waits
 * for 1, 2, 4 s and longer, and would find a network that is back only then.
 */
const CALL_AGAIN_MS = 1_000

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
  const { ways, clock, noWayTo } = options
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
      const result = await call(way, { host, port: way.port })
      if (!result.ok) {
        way.resolver.invalidate()
        failed(result.detail, result.ownNetwork)
      }
    }
    /** The first answer to any of the calls, a refusal too; or that none has come in time. */
    const call = (way: Way, address: Address): Promise<ConnectResult> =>
      new Promise((answered) => {
        const begun = clock.now()
        let over = false
        const ownerOf = (port: SecurePort): TcpOwner => {
          if (won || over) {
            port.abort()
            return DEAF
          }
          won = true
          const reached = { way, port }
          const owner = options.ownerOf(reached)
          resolve({ ok: true, reached })
          return owner
        }
        const once = async (): Promise<void> => {
          const timeoutMs = REACH_TIMEOUT_MS - (clock.now() - begun)
          if (won || timeoutMs <= 0) return
          const result = await connectTls({ address, timeoutMs, clock, ownerOf, ...(noWayTo && { noWayTo }) })
          over = true
          again.cancel()
          answered(result)
        }
        const again = every(clock, CALL_AGAIN_MS, () => void once())
        void once()
      })
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
