/** The keys of a server as the tunnel asks for them; the key book behind it is the relay's. */

/** One key. */
export interface TunnelKey {
  readonly id: string
  /** 32 bytes. */
  readonly secret: Uint8Array
  /** Who it was given to. */
  readonly user: string
  /** A ticket works once, for a device to join with; a device key opens sessions. */
  readonly kind: "ticket" | "device"
  readonly state: "valid" | "used" | "expired" | "revoked"
}

/** All keys. */
export interface TunnelKeys {
  find(id: string): TunnelKey | undefined
  /** Turns a valid ticket into a device key with `secret`; returns the device key's id. Throws if it cannot be kept. */
  redeem(ticket: string, device: { readonly name: string; readonly secret: Uint8Array }): string
}
