/** A key of the tunnel: who holds it, and which boards it opens. As values, and as JSON for a file. */
import { isKeyId, SECRET_BYTES } from "../protocol/ticket.ts"

/** Boards by their names in the configuration, or all that the server has, also those added later. */
export type BoardGrant = "all" | readonly string[]

/** Why a key is good no more. */
export type Spent = "used" | "revoked"

interface KeyCommon {
  /** Sent in the clear; no secret. */
  readonly id: string
  /** The user that `invite` named. */
  readonly user: string
  /** 32 bytes. */
  readonly secret: Uint8Array
  readonly boards: BoardGrant
  /** Unix time, milliseconds. */
  readonly createdAt: number
  /** Such a key is kept for a while: who can prove it is told why it opens nothing. */
  readonly spent?: { readonly why: Spent; readonly at: number }
}

/** A key in a ticket: it opens nothing but the way to a device key, once, until `expiresAt` (Unix, milliseconds). */
export interface TicketKey extends KeyCommon {
  readonly kind: "ticket"
  readonly expiresAt: number
}

/** A key of one machine of a user, good until it is revoked. */
export interface DeviceKey extends KeyCommon {
  readonly kind: "device"
  /** What that machine calls itself. */
  readonly device: string
}

/** Any key. */
export type Key = TicketKey | DeviceKey

/** Whether a key is good. */
export type KeyState = "valid" | "expired" | Spent

/** The state of `key` at `now`, Unix time in milliseconds. */
export function stateOf(key: Key, now: number): KeyState {
  if (key.spent) return key.spent.why
  return key.kind === "ticket" && key.expiresAt <= now ? "expired" : "valid"
}

/** Longest name of a user, device, or board, in characters. */
export const MAX_NAME = 63

/** True for what a user may be called: letters and digits of any script, and `.`, `_`, `-`, `@` behind the first. */
export function isUserName(name: string): boolean {
  return name.length <= MAX_NAME && /^[\p{L}\p{N}][\p{L}\p{N}\p{M}._@-]*$/u.test(name)
}

/** What a machine calls itself, made fit for tables and logs: nothing invisible, not too long, never empty. */
export function deviceName(said: string): string {
  return (
    said
      .replace(/[\p{C}\p{Z}]+/gu, " ")
      .trim()
      .slice(0, MAX_NAME)
      .trim() || "unnamed"
  )
}

/** True if `key` opens the board of that name. */
export function grants(key: Pick<Key, "boards">, board: string): boolean {
  return key.boards === "all" || key.boards.includes(board)
}

/** A key as JSON. */
export function keyToJson({ secret, ...key }: Key): object {
  return { ...key, secret: Buffer.from(secret).toString("base64") }
}

/** A key from JSON; undefined for anything else. */
export function keyFromJson(said: unknown): Key | undefined {
  const { id, user, boards, createdAt, kind, expiresAt, device, secret: letters, spent: end } = fieldsOf(said)
  if (typeof id !== "string" || !isKeyId(id) || typeof user !== "string" || !isUserName(user)) return undefined
  if (!isGrant(boards) || !isTime(createdAt) || typeof letters !== "string") return undefined
  const secret = new Uint8Array(Buffer.from(letters, "base64"))
  const spent = end === undefined ? undefined : spentFrom(end)
  if (secret.length !== SECRET_BYTES || (end !== undefined && !spent)) return undefined
  const common = { id, user, secret, boards, createdAt, ...(spent && { spent }) }
  if (kind === "ticket" && isTime(expiresAt)) return { kind, ...common, expiresAt }
  if (kind === "device" && typeof device === "string") return { kind, ...common, device: deviceName(device) }
  return undefined
}

function spentFrom(said: unknown): Key["spent"] {
  const { why, at } = fieldsOf(said)
  return (why === "used" || why === "revoked") && isTime(at) ? { why, at } : undefined
}

function fieldsOf(said: unknown): Readonly<Record<string, unknown>> {
  return typeof said === "object" && said !== null ? (said as Record<string, unknown>) : {}
}

function isGrant(boards: unknown): boards is BoardGrant {
  return boards === "all" || (Array.isArray(boards) && boards.every((name) => typeof name === "string"))
}

const isTime = (said: unknown): said is number => typeof said === "number" && Number.isSafeInteger(said) && said >= 0
