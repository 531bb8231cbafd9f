/** The one thing that may stop a relay from starting: somebody else has its port. */
import { formatAddress } from "./address.ts"

/** A port that a listener needs is in use by another program. */
export class PortTakenError extends Error {
  override readonly name = "PortTakenError"
  readonly code = "EADDRINUSE"

  constructor(
    /** The local address, an IP literal. */
    readonly address: string,
    readonly port: number,
    options?: ErrorOptions,
  ) {
    super(`another program already uses ${formatAddress({ host: address, port })}`, options)
  }
}
