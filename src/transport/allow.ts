/** Who may use a listener: the list behind `--allow`. */
import { BlockList, isIP } from "node:net"

/** A set of IPv4 and IPv6 networks. */
export class AllowList {
  readonly #networks = new BlockList()

  private constructor() {}

  /**
   * Reads networks (`192.0.2.0/24`, `2001:db8::/32`) and single addresses. Host bits may be set, as in
   * `192.0.2.7/24`. Throws a RangeError that names the first one that is neither.
   */
  static parse(cidrs: readonly string[]): AllowList {
    const list = new AllowList()
    for (const cidr of cidrs) list.#add(cidr)
    return list
  }

  /** True when `host`, an IP literal, is in one of the networks; an IPv4-mapped IPv6 address counts as IPv4. */
  allows(host: string): boolean {
    // A scope (`fe80::1%eth0`) names an interface of this machine and is no part of the address.
    const scope = host.indexOf("%")
    const address = scope < 0 ? host : host.slice(0, scope)
    const family = isIP(address)
    return family !== 0 && this.#networks.check(address, family === 4 ? "ipv4" : "ipv6")
  }

  #add(cidr: string): void {
    const parts = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(cidr)
    const address = parts?.[1] ?? ""
    const family = isIP(address)
    const widest = family === 4 ? 32 : 128
    const prefix = parts?.[2] === undefined ? widest : Number(parts[2])
    if (family === 0 || prefix > widest) {
      throw new RangeError(`not an address or network such as 192.0.2.0/24 or 2001:db8::/32: ${JSON.stringify(cidr)}`)
    }
    this.#networks.addSubnet(address, prefix, family === 4 ? "ipv4" : "ipv6")
  }
}
