/** Host and port, written and read as people do: `192.0.2.7:40112`, `[2001:db8::1]:17894`. */

/** An IP literal (or, before resolution, a name) and a UDP or TCP port. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** `host:port`, with brackets around an IPv6 host. */
export function formatAddress(address: Address): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** The plain IPv4 form of an IPv4-mapped IPv6 address (`::ffff:192.0.2.7`), any other host as it is. */
export function unmapHost(host: string): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(host) ? host.slice(7) : host
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(host: string): boolean {
  const plain = unmapHost(host)
  return plain === "::1" || plain.startsWith("127.")
}

/** The host that a peer's traffic comes from: of `127.0.0.1:4000 via 192.0.2.7:5000` the one that the network vouches for. */
export function peerHost(peer: string): string {
  return peer.slice(peer.lastIndexOf(" ") + 1, Math.max(0, peer.lastIndexOf(":")))
}
