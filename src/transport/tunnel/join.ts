/** Turns a ticket into a device key: proves the ticket to its server, once, and keeps what both sides derive from it. */

import type { Observer } from "../../observe/observer.ts"
import { type Address, formatAddress } from "../address.ts"
import type { Clock } from "../clock.ts"
import type { Random } from "../random.ts"
import { type ClientKey, type GreetingOutcome, greet } from "./greeting.ts"
import { deviceSecret } from "./proof.ts"
import { type Reached, reach, waysTo } from "./reach.ts"

/** What a join brings, or why it brings nothing. */
export type JoinResult =
  | { readonly ok: true; readonly key: ClientKey; readonly server: string; readonly address: Address }
  /** `proved` if the server that knows the ticket says so; else nobody who does has answered. */
  | { readonly ok: false; readonly detail: string; readonly proved: boolean }

/** Joins at whichever of the ticket's addresses leads to its server; never rejects. */
export async function join(options: {
  addresses: readonly Address[]
  ticket: ClientKey
  /** What this device is to be called at the server. */
  device: string
  clock: Clock
  random: Random
  observer: Observer
}): Promise<JoinResult> {
  const { ticket, clock, random, observer, device } = options
  let ways = waysTo(options.addresses, { clock, observer, random })
  let detail = ""
  try {
    while (ways.length > 0) {
      const { promise, resolve } = Promise.withResolvers<GreetingOutcome>()
      const ownerOf = ({ port }: Reached) =>
        greet({
          port,
          key: ticket,
          hello: { device },
          clock,
          onOutcome: (outcome) => {
            resolve(outcome)
            return undefined
          },
        })
      const result = await reach({ ways, clock, ownerOf })
      if (!result.ok) return { ok: false, detail: detail || result.detail, proved: false }
      const { way, port } = result.reached
      const outcome = await promise
      const address = { host: way.resolver.name, port: way.port }
      const where = formatAddress(address)
      port.end()
      if (outcome.kind === "welcome" && outcome.welcome.device !== undefined) {
        const key = { id: outcome.welcome.device, secret: deviceSecret(ticket.secret, port.exporter) }
        return { ok: true, key, server: outcome.welcome.name, address }
      }
      if (outcome.kind === "refused" && outcome.proved) return { ok: false, detail: outcome.detail, proved: true }
      detail = `${where}: ${outcome.kind === "failed" ? outcome.detail : "what answers there does not know the ticket"}`
      ways = ways.filter((other) => other !== way)
    }
    return { ok: false, detail, proved: false }
  } finally {
    for (const { resolver } of ways) resolver.close()
  }
}
