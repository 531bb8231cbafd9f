/** What can be asked of a running server over its control endpoint, and how a request is answered. */
import type { StatusReport } from "../observe/status.ts"
import { type Clock, every, type Timer } from "../transport/clock.ts"
import type { ControlPeer } from "../transport/control-listener.ts"
import { isIpLiteral } from "../transport/host.ts"
import { isUserName, type Key } from "./key.ts"
import { TooManyKeysError } from "./key-book.ts"
import { StoreError } from "./secret-store.ts"
import { isBoardName } from "./server-config.ts"

/** A key as it may be told: all but its secret. */
export type KeyInfo = Omit<Key, "secret" | "spent"> & { readonly device?: string; readonly expiresAt?: number }

/** An invitation that is asked for. */
export interface InviteRequest {
  /** The user. */
  readonly name: string
  /** `HOST[:PORT]` as typed, to be put into the ticket in place of the server's own addresses; may be empty. */
  readonly hosts: readonly string[]
  readonly boards: "all" | readonly string[]
  readonly expiresMs: number
}

/** What came of it. */
export interface InviteResult {
  /** The line to hand over. It is a secret. */
  readonly ticket: string
  /** Where it leads, as `host:port`. */
  readonly addresses: readonly string[]
  readonly serverName: string
  /** Unix time, milliseconds. */
  readonly expiresAt: number
}

/** What a server does when it is asked; each may throw a ControlError. */
export interface ControlHandlers {
  status(): StatusReport
  invites(): readonly KeyInfo[]
  invite(request: InviteRequest): InviteResult
  /** Takes a user's keys, or the key of that id, and ends their sessions. */
  revoke(name: string): { readonly keys: number; readonly sessions: number }
  /** Ends a user's sessions and takes his boards, the keys stay good. */
  kick(name: string): { readonly sessions: number; readonly boards: readonly string[] }
  /** Reads the configuration again; a line for each change. */
  reload(): Promise<{ readonly changes: readonly string[] }>
}

/** A request, as it stands on its line. */
export type ControlRequest =
  | { readonly command: "status"; readonly watch?: boolean }
  | { readonly command: "invites" }
  | ({ readonly command: "invite" } & InviteRequest)
  | { readonly command: "revoke"; readonly name: string }
  | { readonly command: "kick"; readonly name: string }
  | { readonly command: "reload" }

/** A reply, as it stands on its line; `result` is what the handler returned. */
export type ControlReply =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: string }

/** Something that the asker must mend, or cannot have; one line. */
export class ControlError extends Error {
  override readonly name = "ControlError"
}

/** A watched status is told this often. */
export const WATCH_MS = 1000
/** Least and longest time that a ticket is good for. */
export const EXPIRES_RANGE = { minMs: 60_000, maxMs: 30 * 86_400_000 } as const

/** Answers what comes to a ControlListener. */
export function controlAnswers(handlers: ControlHandlers, clock: Clock): (said: unknown, peer: ControlPeer) => void {
  return (said, peer) => {
    const request = readControlRequest(said)
    if (request?.command === "status" && request.watch) {
      watch(handlers, clock, peer)
      return
    }
    void answerControl(request, handlers).then((reply) => {
      peer.send(reply)
      peer.done()
    })
  }
}

/** Tells the status again and again, until the asker has gone. */
function watch(handlers: ControlHandlers, clock: Clock, peer: ControlPeer): void {
  let timer: Timer | undefined
  peer.onGone = () => timer?.cancel()
  const tell = (): void => {
    // Who reads slowly gets less often what is new, never what is old.
    if (!peer.isClear) return
    void answerControl({ command: "status" }, handlers).then((reply) => peer.send(reply))
  }
  tell()
  timer = every(clock, WATCH_MS, tell)
}

/** Does what is asked; what the handlers throw becomes a reply, so nothing rejects. */
export async function answerControl(
  request: ControlRequest | undefined,
  handlers: ControlHandlers,
): Promise<ControlReply> {
  try {
    return { ok: true, result: await perform(request, handlers) }
  } catch (error) {
    if (FOR_PEOPLE.some((kind) => error instanceof kind)) return { ok: false, error: (error as Error).message }
    return { ok: false, error: `a fault in the program itself, please report it: ${(error as Error)?.stack ?? error}` }
  }
}

/** Errors whose message is for whoever asked. */
const FOR_PEOPLE = [ControlError, StoreError, TooManyKeysError]

function perform(request: ControlRequest | undefined, handlers: ControlHandlers): unknown {
  switch (request?.command) {
    case "status":
      return handlers.status()
    case "invites":
      return handlers.invites()
    case "invite":
      return handlers.invite(request)
    case "revoke":
      return handlers.revoke(request.name)
    case "kick":
      return handlers.kick(request.name)
    case "reload":
      return handlers.reload()
    case undefined:
      throw new ControlError("the request is not understood: are both programs of the same version?")
    default:
      return request satisfies never
  }
}

/** A request from JSON; undefined if it is none. */
export function readControlRequest(said: unknown): ControlRequest | undefined {
  if (typeof said !== "object" || said === null) return undefined
  const { command, name, hosts, boards, expiresMs, watch } = said as Record<string, unknown>
  switch (command) {
    case "status":
      return { command, watch: watch === true }
    case "invites":
    case "reload":
      return { command }
    case "revoke":
      return isName(name) ? { command, name } : undefined
    case "kick":
      return isName(name) || isHost(name) ? { command, name } : undefined
    case "invite":
      if (!isName(name) || !isTexts(hosts) || !(boards === "all" || (isTexts(boards) && boards.every(isBoardName)))) {
        return undefined
      }
      if (typeof expiresMs !== "number" || !(expiresMs >= EXPIRES_RANGE.minMs && expiresMs <= EXPIRES_RANGE.maxMs)) {
        return undefined
      }
      return { command, name, hosts, boards, expiresMs }
    default:
      return undefined
  }
}

const isName = (said: unknown): said is string => typeof said === "string" && isUserName(said)
/** A user of the old ports: an address, IPv6 in brackets. */
const isHost = (said: unknown): said is string =>
  typeof said === "string" && isIpLiteral(/^\[(.*:.*)\]$/.exec(said)?.[1] ?? said)
const isTexts = (said: unknown): said is string[] =>
  Array.isArray(said) && said.length <= 64 && said.every((text) => typeof text === "string" && text.length <= 300)
