/** The keys of a server as the tunnel asks for them; the key book behind it is the relay's. */

/** One key that is good. */
export interface TunnelKey {
  readonly id: string
  /** 32 bytes. */
  readonly secret: Uint8Array
  /** Who it was given to. */
  readonly user: string
  /** A ticket works once, for a device to join with; a device key opens sessions. */
  readonly kind: "ticket" | "device"
}

/** What an id stands for; what is good no more has no secret any more, so that its holder cannot be told why. */
export type KeyStatus =
  | { readonly status: "valid"; readonly key: TunnelKey }
  | { readonly status: "used" | "expired" | "revoked" | "unknown" }

/** All keys. */
export interface TunnelKeys {
  find(id: string): KeyStatus
  /** Puts a device's key in a ticket's place; "redeemed", or why not. Throws if it cannot be kept. */
  redeem(
    ticket: string,
    device: { readonly id: string; readonly name: string; readonly secret: Uint8Array },
  ): { readonly status: string }
}
