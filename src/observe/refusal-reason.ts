/** Why the safe tunnel did not let a peer in. */

/** Why a peer was not let in; one word each, stable: they are metric labels. */
export type RefusalReason =
  /** Not TLS, or not 1.3. */
  | "tls"
  /** Its address is not allowed. */
  | "not-allowed"
  /** Said nothing whole in time. */
  | "timeout"
  /** Made room for a newer connection before it had proved anything. */
  | "crowded"
  | "malformed"
  | "oversize"
  | "version"
  /** No such key, or a proof made without it, for another channel or another time. */
  | "unknown-key"
  | "wrong-proof"
  /** A proof by who knows the key, made for another channel: somebody stands between the two. */
  | "interposed"
  /** Such a proof that had come before: somebody has listened, and says it again. */
  | "replayed"
  | "revoked-key"
  | "used-ticket"
  | "expired-ticket"
  | "too-many-sessions"
  /** It left in the middle of its first message. */
  | "truncated"
  /** It left before it had said anything. */
  | "left"
