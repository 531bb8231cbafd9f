/** The life of a job as a state machine. Source: the spalloc facts §5. */
import { JobState, type JobStateCode } from "./types.ts"

/** Where a job is in its life; `on` is the last power that was asked for. */
export type JobLife =
  | { readonly kind: "queued" }
  | { readonly kind: "power"; readonly on: boolean }
  | { readonly kind: "ready"; readonly on: boolean }
  | { readonly kind: "destroyed"; readonly reason: string | null }

/** What happens to a job. */
export type JobEvent =
  | { readonly kind: "allocated" }
  | { readonly kind: "power"; readonly on: boolean }
  /** The last of its power work is done. */
  | { readonly kind: "settled" }
  | { readonly kind: "destroy"; readonly reason: string | null }

/** The job after an event; the same object where the event means nothing to it. */
export function stepJob(life: JobLife, event: JobEvent): JobLife {
  if (life.kind === "destroyed") return life
  switch (event.kind) {
    case "allocated":
      return life.kind === "queued" ? { kind: "power", on: true } : life
    case "power":
      return life.kind === "queued" ? life : { kind: "power", on: event.on }
    case "settled":
      return life.kind === "power" ? { kind: "ready", on: life.on } : life
    case "destroy":
      return {
        kind: "destroyed",
        reason: life.kind === "queued" ? `Cancelled: ${event.reason ?? ""}` : event.reason,
      }
  }
}

/** Number of the state on the wire. */
export function stateCode(life: JobLife): JobStateCode {
  switch (life.kind) {
    case "queued":
      return JobState.QUEUED
    case "power":
      return JobState.POWER
    case "ready":
      return JobState.READY
    case "destroyed":
      return JobState.DESTROYED
  }
}

/** The last power that was asked for; null where there are no boards. */
export function powerOf(life: JobLife): boolean | null {
  return life.kind === "power" || life.kind === "ready" ? life.on : null
}
