/** Reads what a person types for a machine: a name, an IPv4 address or an IPv6 address, bracketed or not. */
import { isIP } from "node:net"
import { UsageError } from "./command.ts"

/** A host without brackets. Throws UsageError for what cannot be one. */
export function parseHost(text: string): string {
  const bracketed = /^\[([^\]]*)\]$/.exec(text)
  const host = bracketed ? bracketed[1]! : text
  if (isIP(host.replace(/%[\w.-]+$/, "")) !== 0) return host
  if (bracketed) throw new UsageError(`${JSON.stringify(text)}: expected an IPv6 address between the brackets`)
  if (/^[^:]+:\d+$/.test(host)) {
    throw new UsageError(`${JSON.stringify(text)}: give the host alone; ports have options of their own`)
  }
  if (/^[\d.]+$/.test(host)) throw new UsageError(`${JSON.stringify(text)} is not an IPv4 address`)
  // Underscores are no part of a host name by the book, and in every lab.
  if (!/^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/.test(host)) {
    throw new UsageError(`${JSON.stringify(text)} is not a host name or an IP address`)
  }
  return host
}

/** An IP literal to listen on, without brackets; a wildcard means all addresses and is returned as undefined. */
export function parseBind(text: string): string | undefined {
  const host = /^\[(.*)\]$/.exec(text)?.[1] ?? text
  if (isIP(host.replace(/%[\w.-]+$/, "")) === 0) {
    throw new UsageError(`--bind ${JSON.stringify(text)}: expected an IP address of this machine`)
  }
  return host === "0.0.0.0" || host === "::" ? undefined : host
}
