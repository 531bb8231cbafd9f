/** How a board is shared out: the settings of its lease, named as in a server's configuration. */

/** Settings of one board's lease. */
export interface LeaseSettings {
  /** One user at a time: the first with traffic has the board until it is released. */
  readonly exclusive: boolean
  /** Without traffic for this long the board is released, milliseconds. */
  readonly sessionTimeoutMs: number
  /** "session": silence does not release it while its user has a session; users without sessions go by traffic. */
  readonly hold: "traffic" | "session"
  /** A hold ends after this while others wait, milliseconds; undefined: never. */
  readonly maxHoldMs: number | undefined
  /** What is done to a board between two users. */
  readonly onRelease: "nothing" | "power-cycle"
}

/** Everybody at once. Were it exclusive: 300 s, because a simulation can be silent, as long as a flow lives. */
export const LEASE_DEFAULTS: LeaseSettings = {
  exclusive: false,
  sessionTimeoutMs: 300_000,
  hold: "traffic",
  maxHoldMs: undefined,
  onRelease: "nothing",
}
