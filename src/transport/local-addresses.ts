/** The addresses of this machine. */
import { networkInterfaces } from "node:os"

/** One address of one interface, as os.networkInterfaces() tells it. */
interface InterfaceAddress {
  readonly address: string
  readonly family: string
  readonly scopeid?: number
}

/**
 * Every address of this machine that a socket can be bound to, IPv4 and IPv6. Link-local ones bear their scope
 * (`fe80::1%eth0`; a number on Windows), without which they cannot be bound.
 */
export function localAddresses(
  interfaces: Readonly<Record<string, readonly InterfaceAddress[] | undefined>> = networkInterfaces(),
  platform: string = process.platform,
): string[] {
  const found = new Set<string>()
  for (const [name, addresses] of Object.entries(interfaces)) {
    for (const { address, scopeid } of addresses ?? []) {
      const bare = address.replace(/%.*$/, "")
      found.add(isLinkLocal(bare) ? `${bare}%${platform === "win32" ? (scopeid ?? 0) : name}` : bare)
    }
  }
  return [...found]
}

/** True for IPv6 link-local addresses, fe80::/10. */
export function isLinkLocal(host: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(host)
}
