/** What a user is told about a board that somebody else has: the payload of a mux notice, UTF-8 JSON. */

/** Why a user must wait, or that the wait is over. */
export type LeaseNews =
  /** `by` has the board, and was last heard `idleMs` ago; `waitingAhead` others come first. */
  | { readonly state: "held"; readonly by: string; readonly idleMs: number; readonly waitingAhead: number }
  /** It is `by`'s turn, for a moment. */
  | { readonly state: "reserved"; readonly by: string; readonly waitingAhead: number }
  /** It is being reset for the next user. */
  | { readonly state: "resetting" }
  /** It was taken from this user, and for a moment is anybody's but his. */
  | { readonly state: "withheld" }
  /** It is this user's turn. */
  | { readonly state: "yours" }

/** Longest payload that is looked at, bytes: the longest name, escaped, and two numbers. */
export const MAX_LEASE_NEWS = 2_048
/** Longest name of a user. */
const MAX_NAME = 253
/** Beyond this a number means nothing. */
const MAX_NUMBER = 1e12

/** The payload of an "inUse" notice. */
export function encodeLeaseNews(news: LeaseNews): Uint8Array {
  const rounded = "idleMs" in news ? { ...news, idleMs: Math.max(0, Math.round(news.idleMs)) } : news
  return new TextEncoder().encode(JSON.stringify(rounded))
}

/** The news in such a payload; undefined for anything else. Fields that later versions add are left out. */
export function decodeLeaseNews(payload: Uint8Array): LeaseNews | undefined {
  if (payload.length > MAX_LEASE_NEWS) return undefined
  let said: unknown
  try {
    said = JSON.parse(new TextDecoder().decode(payload))
  } catch {
    return undefined
  }
  const { state, by, idleMs, waitingAhead = 0 } = (said ?? {}) as Record<string, unknown>
  switch (state) {
    case "resetting":
    case "withheld":
    case "yours":
      return { state }
    case "held":
      return isName(by) && isCount(idleMs) && isCount(waitingAhead) ? { state, by, idleMs, waitingAhead } : undefined
    case "reserved":
      return isName(by) && isCount(waitingAhead) ? { state, by, waitingAhead } : undefined
    default:
      return undefined
  }
}

/** Names get into logs: nothing that steers a terminal or cannot be seen. */
function isName(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_NAME && /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(value)
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= MAX_NUMBER
}
