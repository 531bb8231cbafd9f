/** What a fake board tells whoever watches it: tests count these, the command prints them. */
import type { BootIgnored, BootImage } from "./boot-rom.ts"
import type { FaultReason } from "./faults.ts"

/** The paths that faults act on: datagrams to the boot ROM, datagrams to SC&MP, and what the board sends. */
export type FaultPathName = "boot" | "scp" | "reply"

/**
 * Where an Ethernet chip stands. `rom`: the boot ROM waits for an image. `silent`: an image runs, SC&MP has not
 * brought the network up and answers nothing. `booting`: VER says 255,255. `up`: all there. `off`: no power.
 */
export type BoardPhase = "off" | "rom" | "silent" | "booting" | "up"

/** Why a datagram came to nothing, beyond faults on its way. */
export type BoardDropReason =
  | FaultReason
  /** The ROM was still copying the previous block (`bootGapMs`). */
  | "boot-gap"
  /** No power. */
  | "off"
  /** SC&MP does not run yet, or not any more. */
  | "not-up"
  /** More than 280 bytes after the pad, or too short for an SDP header. */
  | "length"
  /** All eight transient tags taken. */
  | "no-tag"
  /** Names a tag that is not set. */
  | "bad-tag"
  /** Cores answered each other without end. */
  | "loop"
  /** Nobody listens on that port or core. */
  | "no-listener"

/** One thing that happened. Chips are `x,y` pairs, hosts and ports as `host:port` of the sender. */
export type BoardEvent =
  | { type: "phase"; phase: BoardPhase; host: string }
  | { type: "boot-started"; blocks: number; from: string }
  | { type: "boot-block"; block: number; bytes: number; first: boolean; from: string }
  | { type: "boot-incomplete"; missing: readonly number[]; from: string }
  | { type: "boot-ignored"; why: BootIgnored; from: string }
  | { type: "booted"; image: BootImage; from: string }
  | { type: "hello"; to: string }
  /** A command was executed; `result` is what it answered (whether or not an answer was wanted). */
  | {
      type: "command"
      command: number
      result: number
      sequence: number
      x: number
      y: number
      cpu: number
      from: string
    }
  | { type: "lost"; path: FaultPathName; reason: BoardDropReason; ordinal: number }

/** Takes a fake board's events; must not throw. */
export type BoardWatcher = (event: BoardEvent) => void

/** Counts a fake board's events, for tests and status lines. */
export class BoardCounters {
  /** How often each command was executed, by command code. */
  readonly executed = new Map<number, number>()
  /** How many datagrams came to nothing, by reason. */
  readonly lost = new Map<BoardDropReason, number>()
  images = 0

  /** Hand this to a board as its watcher, or call it from one. */
  readonly watch: BoardWatcher = (event) => {
    if (event.type === "command") this.executed.set(event.command, (this.executed.get(event.command) ?? 0) + 1)
    else if (event.type === "lost") this.lost.set(event.reason, (this.lost.get(event.reason) ?? 0) + 1)
    else if (event.type === "booted") this.images++
  }

  /** Executions of one command. */
  count(command: number): number {
    return this.executed.get(command) ?? 0
  }
}
