/**
 * Everything that happens and that a technician may want a line about, as one discriminated union. The log renders
 * them (log-lines.ts); tests assert on them.
 */
import type { LeaseNews } from "../protocol/lease-news.ts"

import type { RefusalReason } from "./refusal-reason.ts"

/** Which of a board's two services a flow uses. */
export type Channel = "scp" | "boot"

/** Why a user has a board no longer. */
export type ReleaseCause =
  /** No traffic for its session time. */
  | "silent"
  /** His last session was ended, or lost. */
  | "left"
  | "lost"
  | "kicked"
  /** He had it for the longest time that is allowed while others wait. */
  | "max-hold"

/** One thing that happened. Addresses are `host:port`; times are milliseconds. */
export type Event =
  | { type: "listening"; role: string; channel: Channel | "board"; carrier: "udp" | "tcp"; address: string }
  | { type: "listen-waiting"; address: string; detail: string; retryMs: number }
  | { type: "listen-reopened"; address: string }
  | { type: "open-to-all"; addresses: string }
  | { type: "client-open-wider"; address: string }
  | { type: "receive-buffer"; grantedBytes: number; wantedBytes: number; hint: string | undefined }
  | { type: "flow-opened"; channel: Channel; application: string; flows: number }
  | { type: "flow-closed"; channel: Channel; application: string; code: string; flows: number }
  | { type: "flow-limit"; channel: Channel; limit: number }
  | { type: "resolve-failed"; name: string; detail: string; retryMs: number }
  | { type: "resolved"; name: string; host: string }
  | { type: "target-unreachable"; target: string; detail: string }
  | { type: "target-back"; target: string }
  | { type: "peer-connected"; peer: string; protocol: "mux" | "framed" }
  | { type: "peer-lost"; peer: string; detail: string }
  | { type: "peer-refused"; peer: string; detail: string }
  | { type: "connected"; target: string; protocol: "mux" | "framed"; afterMs: number }
  | { type: "connect-failed"; target: string; detail: string; retryMs: number }
  | { type: "connection-lost"; target: string; detail: string; retryMs: number }
  | { type: "python-shared"; target: string }
  | { type: "boot-begun"; board: string; application: string; blocks: number }
  | { type: "boot-progress"; board: string; application: string; done: number; total: number }
  | { type: "boot-sent"; board: string; application: string; blocks: number; bytes: number; durationMs: number }
  | { type: "boot-incomplete"; board: string; application: string; missing: number[]; total: number }
  | { type: "boot-resent"; target: string; datagrams: number }
  | { type: "board-version"; board: string; version: string; booting: boolean }
  /** A boot ROM's beacon has come from a board that was not known to be unbooted; `served` if it is one of ours. */
  | { type: "board-unbooted"; board: string; served: boolean }
  /** The machine tells of more boards; those elsewhere than in the first one's /16 are ignored. */
  | { type: "boards-found"; board: string; served: string[]; ignored: string[] }
  | { type: "hello-unheard"; address: string; detail: string; retryMs: number; expectTaken: boolean }
  | { type: "hello-listening"; address: string }
  /** A board, or the BMP, of the server is to be found at `address` on this machine. */
  | { type: "board-address"; board: string; kind: "board" | "bmp"; address: string; boardType?: "spin3" | "spin5" }
  | { type: "board-no-address"; board: string; address: string; detail: string }
  /** The server does not tell of a board any more that has an address here. */
  | { type: "board-gone"; board: string; address: string }
  /** A program has read the address of a board that has none here. */
  | { type: "board-elsewhere"; address: string }
  | { type: "internal-error"; where: string; detail: string }
  | { type: "stopping"; signal: string }
  /** The image is sent once more, START to END, because the board has not answered yet; `pass` counts the client's own as 1. */
  | { type: "boot-repeated"; board: string; pass: number; gapMs: number }
  /** All blocks that were announced came, but END did not; or blocks without a START. */
  | { type: "boot-unfinished"; board: string; application: string; blocks: number; lost: "START" | "END" }
  /** `application` must wait: the board is being booted by `owner`. */
  | { type: "boot-refused"; board: string; application: string; owner: string }
  /** Another image than the one that the ROM may still hold a part of. */
  | { type: "boot-mixed"; board: string; application: string }
  /** The board answers the relay's own VER: the boot is done. */
  | { type: "boot-answered"; board: string; application: string; version: string; passes: number; durationMs: number }
  /** `application` has set IP tag `tag` of `board` through the relay. */
  | { type: "tag-set"; board: string; tag: number; application: string; reverse: boolean }
  /** `by` has set or cleared the tag that `from` had set. */
  | { type: "tag-taken"; board: string; tag: number; from: string; by: string }
  | { type: "tag-refused"; board: string; tag: number; application: string; detail: string }
  /** A reverse IP tag's port cannot be opened on this machine. */
  | { type: "reverse-port-taken"; port: number; application: string; detail: string }
  /** The other end is none of ours, or not reached by TCP: what boards send by IP tag stays there. */
  | { type: "tags-not-passing"; peer: string; side: "client" | "server" }
  /** The relay has given up on a boot; `answered` if the board answered 255,255 and nothing else. */
  | { type: "boot-failed"; board: string; application: string; passes: number; durationMs: number; answered: boolean }
  | { type: "tunnel-listening"; address: string }
  /** SIGHUP: the configuration was read again; a line for each change. */
  | { type: "reloaded"; changes: string[] }
  | { type: "reload-failed"; detail: string }
  /** A user has proved a key of the safe tunnel; its session begins. */
  | { type: "user-connected"; user: string; peer: string }
  /** Its connection is gone; the session waits for it. */
  | { type: "user-lost"; user: string; detail: string; waitMs: number }
  | { type: "user-back"; user: string; peer: string }
  /** The session is over: ended by the client, never come back, or ended by the server. */
  | { type: "user-left"; user: string; how: "clean" | "lost" | "ended"; detail: string }
  | { type: "device-joined"; user: string; device: string; peer: string }
  /** A peer of the safe tunnel was not let in; `count` of that reason since the start. */
  | { type: "tunnel-refused"; peer: string; reason: RefusalReason; count: number }
  /** Client: the session goes on over another connection, or has begun anew; `name` is the server's. */
  | { type: "tunnel-up"; target: string; name: string; resumed: boolean; afterMs: number }
  /** Client: the server, or what answers in its place, does not let us in. */
  | { type: "tunnel-not-let-in"; target: string; detail: string; proved: boolean; retryMs: number }
  /** An exclusive board is `user`'s from now on. */
  | { type: "lease-taken"; board: string; user: string }
  /** `user` is held back; once when he begins to wait, and now and then. */
  | { type: "lease-waits"; board: string; user: string; news: LeaseNews }
  /** It is `user`'s turn, if he asks in time. */
  | { type: "lease-offered"; board: string; user: string; forMs: number }
  /** `afterMs`: of silence where that is the cause, else of having had it. */
  | { type: "lease-released"; board: string; user: string; cause: ReleaseCause; afterMs: number }
  | { type: "lease-resetting"; board: string }
  /** The board was reset for the next user; or that `failed`. */
  | { type: "lease-reset"; board: string; failed: string | undefined }
  /** Client: the server has told why this board does not answer, or that it does now. */
  | { type: "board-in-use"; board: string; news: LeaseNews }
