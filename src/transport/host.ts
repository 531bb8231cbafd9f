/** Hosts as people write them: a name, an IPv4 address or an IPv6 address, bracketed or not. */
import { isIP } from "node:net"

/** A host without brackets. Throws a RangeError for what cannot be one. */
export function readHost(text: string): string {
  const bracketed = /^\[([^\]]*)\]$/.exec(text)
  const host = bracketed ? bracketed[1]! : text
  if (isIpLiteral(host)) return host
  if (bracketed) throw new RangeError(`${JSON.stringify(text)}: expected an IPv6 address between the brackets`)
  if (/^[^:]+:\d+$/.test(host)) {
    throw new RangeError(`${JSON.stringify(text)}: give the host alone; ports have options of their own`)
  }
  if (/^[\d.]+$/.test(host)) throw new RangeError(`${JSON.stringify(text)} is not an IPv4 address`)
  // Underscores are no part of a host name by the book, and in every lab.
  if (!/^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/.test(host)) {
    throw new RangeError(`${JSON.stringify(text)} is not a host name or an IP address`)
  }
  return host
}

/** True for an IPv4 or IPv6 address, the latter with or without a scope (`fe80::1%eth0`). */
export function isIpLiteral(host: string): boolean {
  return isIP(host.replace(/%[\w.-]+$/, "")) !== 0
}

/** `HOST[:PORT]`, an IPv6 address in brackets where a port follows: `pi.local`, `192.0.2.7:443`, `[2001:db8::1]:443`. Throws a RangeError. */
export function readHostPort(text: string, defaultPort: number): { host: string; port: number } {
  const match = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(text)
  if (!match) return { host: readHost(text), port: defaultPort }
  const port = Number(match[2])
  if (!(port >= 1 && port <= 65_535)) throw new RangeError(`${JSON.stringify(text)}: ports are 1 to 65535`)
  return { host: readHost(match[1]!), port }
}
