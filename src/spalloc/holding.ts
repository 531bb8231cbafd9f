/** Boards that are not free: those of a live job, those that are being switched off after it, and those that cool. */
import type { Allocation } from "./machine-allocator.ts"
import type { StoredHolding } from "./store.ts"

/** The boards of one holding that are in one frame, and their power work. */
export interface HeldFrame {
  readonly cabinet: number
  readonly frame: number
  readonly bmp: string
  /** By their number in the frame, ascending. */
  readonly boards: readonly number[]
  readonly isolate: readonly { readonly board: number; readonly link: number }[]
  /** Id of the work that is under way. */
  running: number | undefined
  /** What is to be done after it; a later command replaces an earlier one. */
  next: boolean | undefined
}

/** `off`: being switched off for good; `cooling`: off, and free at `untilMs` (Unix milliseconds). */
export type HoldingPhase =
  | { readonly kind: "held" }
  | { readonly kind: "off" }
  | { readonly kind: "cooling"; readonly untilMs: number }

/** One job's boards. */
export interface Holding {
  readonly jobId: number
  readonly machine: string
  readonly allocation: Allocation
  readonly frames: readonly HeldFrame[]
  phase: HoldingPhase
  /** The machine that it was cut from is gone: nothing is given back. */
  orphan: boolean
}

/** True when no power work is under way or waiting. */
export function isSettled(holding: Holding): boolean {
  return holding.frames.every((frame) => frame.running === undefined && frame.next === undefined)
}

/** The holding that a row stands for, with no power work under way. */
export function holdingOf(row: StoredHolding, orphan: boolean): Holding {
  const frames = (JSON.parse(row.frames) as Omit<HeldFrame, "running" | "next">[]).map((frame) => ({
    ...frame,
    running: undefined,
    next: undefined,
  }))
  return {
    jobId: row.jobId,
    machine: row.machine,
    allocation: JSON.parse(row.allocation) as Allocation,
    frames,
    phase: row.phase === "cooling" ? { kind: "cooling", untilMs: row.untilMs } : { kind: row.phase },
    orphan,
  }
}

export function storedHolding({ jobId, machine, allocation, frames, phase, orphan }: Holding): StoredHolding {
  return {
    jobId,
    machine,
    allocation: JSON.stringify(allocation),
    frames: JSON.stringify(frames.map(({ running: _running, next: _next, ...frame }) => frame)),
    phase: phase.kind,
    untilMs: phase.kind === "cooling" ? phase.untilMs : 0,
    orphan,
  }
}
