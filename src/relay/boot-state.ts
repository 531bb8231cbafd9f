/** What the boot of one board is made of: its states, the events that move it, the actions that come out, its times. */
import type { Event } from "../observe/events.ts"
import type { DropReason } from "../observe/observer.ts"
import type { BootPart } from "./boot-image.ts"
import type { QueuedBoot } from "./boot-queue.ts"

/** Passes with the ordinary gap, the client's own included: at 5 % loss four leave 1 boot of 700 unfinished. */
export const QUICK_PASSES = 4
/** Gaps of the passes after those, in units of the ordinary one: 20 ms, then 50 ms as rig itself sends. */
export const SLOW_GAPS = [2, 5] as const
/** A board that says nothing for so long after an END will not say anything. */
export const BOOT_PATIENCE_MS = 30_000
/** START that blocks have overtaken, or END that has overtaken blocks, is waited for so long: five times a bad jitter. */
export const BOOT_OVERTAKEN_MS = 200
/** A client silent for so long in mid-boot makes room for another: ten times the longest gap (SpiNNMan's, Java's). */
export const BOOT_GIVEN_UP_MS = 1_000
/** Its boot is over for the log after this: TCP may have stalled it. */
export const BOOT_STALLED_MS = 5_000
/** A board that has answered VER and then says nothing for so long (four probes) is off, or back in its ROM. */
export const BOARD_GONE_MS = 1_000
/** What trickles in so soon after a finished boot are the network's duplicates. */
export const BOOT_AFTERMATH_MS = 2_000
/** What may be in the ROM is remembered for so long, to complete it or to warn of a mixture. */
export const BOOT_REMEMBERED_MS = 600_000
/** Clients of which the log says that they are refused, in one boot. */
export const REFUSALS_TOLD = 16

/** A flow that boots. */
export interface Booter {
  readonly id: number
  readonly application: string
}

/** What one attempt of a client has sent. */
export interface Attempt {
  readonly begunAt: number
  /** START: still to come (blocks wait for it), passed on, or given up. */
  start: "awaited" | "passed" | "missed"
  readonly seen: Set<number>
  /** Blocks that have overtaken START. */
  held: BootPart[]
  /** END that came when blocks were missing. */
  end: BootPart | undefined
}

/** An attempt that has not sent anything. */
export function newAttempt(now: number, start: Attempt["start"] = "awaited", seen: Iterable<number> = []): Attempt {
  return { begunAt: now, start, seen: new Set(seen), held: [], end: undefined }
}

/** A client is sending; what it sends is passed on. */
export interface Collecting {
  readonly kind: "collecting"
  readonly owner: Booter
  attempt: Attempt
  lastAt: number
  /** Its flow is over. */
  gone: boolean
}

/** The image is whole and is sent again and again. */
export interface Delivering {
  readonly kind: "delivering"
  readonly owner: Booter
  readonly begunAt: number
  /** What the client sends meanwhile. */
  again: Attempt
  /** The pass that is being sent, 1 being the client's own; counts anew when the client tries again. */
  pass: number
  /** Passes in all. */
  passes: number
  endsAt: number
}

/** The board has taken the image: it answers 255,255 while its network comes up. */
export interface Starting {
  readonly kind: "starting"
  readonly owner: Booter
  readonly begunAt: number
  readonly passes: number
  readonly endsAt: number
  answeredAt: number
}

/** Where the board's boot stands. */
export type BootState = { readonly kind: "idle" } | Collecting | Delivering | Starting

/** What happens. */
export type BootEvent =
  | { readonly type: "datagram"; readonly from: Booter; readonly datagram: Uint8Array }
  /** A flow is over. */
  | { readonly type: "closed"; readonly from: Booter }
  /** All that was queued has been sent. */
  | { readonly type: "sent" }
  /** The board has answered the relay's own VER. */
  | { readonly type: "version"; readonly version: string; readonly booting: boolean }
  /** The machine's deadline has come. */
  | { readonly type: "time" }

/** What is to be done. */
export type BootAction =
  | ({ readonly do: "queue" } & QueuedBoot)
  /** Forget what is queued. */
  | { readonly do: "clear" }
  | { readonly do: "drop"; readonly reason: DropReason }
  | { readonly do: "tell"; readonly event: Event }
  /** Begin or stop asking the board for its version. */
  | { readonly do: "probe"; readonly on: boolean }
