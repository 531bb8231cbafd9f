/**
 * Who may be in the middle of a handshake: strangers, whom nothing is known of. A few from each address, some in all;
 * the oldest gives way to the newest, so that connections that never speak cannot keep anybody out.
 */
import { isIPv6 } from "node:net"
import { unmapHost } from "../address.ts"

/** Bounds on strangers. */
export interface AdmissionLimits {
  /** From one IPv4 address, or one IPv6 /64: what one subscriber has. */
  readonly perGroup: number
  readonly total: number
  /** A handshake must be done in this time, milliseconds. */
  readonly deadlineMs: number
}

export const ADMISSION_LIMITS: AdmissionLimits = { perGroup: 8, total: 256, deadlineMs: 10_000 }

/** Why a stranger had to go: its time was over, or another needed its place. */
export type Expulsion = "timeout" | "crowded"

interface Stranger {
  readonly group: string
  readonly since: number
  readonly end: (why: Expulsion) => void
}

/** The IPv4 address, or the /64 of the IPv6 address, that `address` is in. */
export function groupOf(address: string): string {
  const host = unmapHost(address)
  if (!isIPv6(host)) return host
  const [head = "", tail] = host.toLowerCase().split("%")[0]!.split("::")
  const left = head === "" ? [] : head.split(":")
  const right = tail === undefined || tail === "" ? [] : tail.split(":")
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  const words = [...left, ...Array<string>(zeros).fill("0"), ...right]
  return `${words
    .slice(0, 4)
    .map((word) => Number.parseInt(word, 16).toString(16))
    .join(":")}::/64`
}

/** Keeps count; whoever must go is told by `end`. */
export class Admission {
  /** In the order of their coming. */
  readonly #strangers = new Map<object, Stranger>()
  readonly #groups = new Map<string, Set<object>>()

  constructor(private readonly limits: AdmissionLimits = ADMISSION_LIMITS) {}

  /** Strangers now. */
  get size(): number {
    return this.#strangers.size
  }

  /** A stranger has come; `end` is called if it must go, once and after it was forgotten. */
  enter(key: object, host: string, now: number, end: (why: Expulsion) => void): void {
    const group = groupOf(host)
    const members = this.#groups.get(group)
    if (members && members.size >= this.limits.perGroup) this.#expel(first(members), "crowded")
    if (this.#strangers.size >= this.limits.total) this.#expel(first(this.#strangers.keys()), "crowded")
    this.#strangers.set(key, { group, since: now, end })
    const grown = this.#groups.get(group) ?? new Set()
    this.#groups.set(group, grown.add(key))
  }

  /** True for a stranger that is still here. */
  has(key: object): boolean {
    return this.#strangers.has(key)
  }

  /** It is a stranger no more, or has gone by itself; false if it was none. */
  leave(key: object): boolean {
    const stranger = this.#strangers.get(key)
    if (!stranger) return false
    this.#strangers.delete(key)
    const members = this.#groups.get(stranger.group)
    members?.delete(key)
    if (members?.size === 0) this.#groups.delete(stranger.group)
    return true
  }

  /** Ends those that have taken too long. */
  sweep(now: number): void {
    for (const [key, { since }] of [...this.#strangers]) {
      if (now - since < this.limits.deadlineMs) break
      this.#expel(key, "timeout")
    }
  }

  /** Ends all. */
  clear(): void {
    for (const key of [...this.#strangers.keys()]) this.#expel(key, "crowded")
  }

  #expel(key: object | undefined, why: Expulsion): void {
    const stranger = key && this.#strangers.get(key)
    if (!stranger) return
    this.leave(key)
    stranger.end(why)
  }
}

function first(keys: Iterable<object>): object | undefined {
  for (const key of keys) return key
  return undefined
}
