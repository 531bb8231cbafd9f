/** Where a server may be reached, for a ticket: the machine's name and all its addresses, unless somebody knows better. */

import { MAX_TICKET_ADDRESSES } from "../protocol/ticket.ts"
import { type Address, isLoopback } from "../transport/address.ts"
import { isIpLiteral } from "../transport/host.ts"
import { isLinkLocal } from "../transport/local-addresses.ts"

/** What a machine knows of itself. */
export interface OwnAddresses {
  /** As the system tells it: `raspberrypi`, `pi.lab.example`. */
  readonly hostName: string
  /** IP literals of all interfaces. */
  readonly local: readonly string[]
}

/**
 * Addresses for a ticket, best first: names last longer than numbers, IPv4 is more often let through. A server that
 * listens on some addresses only is to be found at those; one that listens on loopback only, nowhere else.
 */
export function inviteAddresses(own: OwnAddresses, listen: readonly string[], port: number): Address[] {
  const heard = listen.length > 0 ? listen : own.local
  // A link-local address needs a scope, which is the other machine's own affair.
  const numbers = [...new Set(heard)].filter((host) => !isLoopback(host) && !isLinkLocal(host))
  if (numbers.length === 0 && listen.length > 0) return listen.map((host) => ({ host, port }))
  const names = listen.length > 0 ? [] : namesOf(own.hostName)
  const byFamily = [...numbers.filter((host) => !host.includes(":")), ...numbers.filter((host) => host.includes(":"))]
  const hosts = [...names, ...byFamily].slice(0, MAX_TICKET_ADDRESSES)
  return (hosts.length > 0 ? hosts : ["127.0.0.1"]).map((host) => ({ host, port }))
}

/** A name without a domain is also tried as multicast DNS has it, as a Raspberry Pi is found at home. */
function namesOf(hostName: string): string[] {
  const name = hostName.replace(/\.$/, "")
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name) || /^localhost(\.|$)/i.test(name) || isIpLiteral(name)) return []
  return name.includes(".") ? [name] : [`${name}.local`, name]
}
