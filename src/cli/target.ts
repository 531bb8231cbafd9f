/** Reads what a person types for a machine: a name, an IPv4 address or an IPv6 address, bracketed or not. */
import { AllowList } from "../transport/allow.ts"
import { isIpLiteral, readHost } from "../transport/host.ts"
import { UsageError } from "./command.ts"

/** A host without brackets. Throws UsageError for what cannot be one. */
export function parseHost(text: string): string {
  try {
    return readHost(text)
  } catch (error) {
    throw new UsageError((error as RangeError).message, { cause: error })
  }
}

/** An IP literal to listen on, without brackets; a wildcard means all addresses and is returned as undefined. */
export function parseBind(text: string): string | undefined {
  const host = /^\[(.*)\]$/.exec(text)?.[1] ?? text
  if (!isIpLiteral(host)) {
    throw new UsageError(`--bind ${JSON.stringify(text)}: expected an IP address of this machine`)
  }
  return host === "0.0.0.0" || host === "::" ? undefined : host
}

/** What --allow says; throws UsageError for what is no network. */
export function allowList(cidrs: readonly string[]): AllowList {
  try {
    return AllowList.parse(cidrs)
  } catch (error) {
    throw new UsageError(`--allow: ${(error as Error).message}`, { cause: error })
  }
}
