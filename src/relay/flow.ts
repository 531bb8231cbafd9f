/** A flow: one application's traffic with one service of one board, from its first datagram to its idle end. */
import type { Link } from "../transport/link.ts"

/** Who a flow belongs to. */
export interface Flow {
  /** Unique in this process, counting from 1. */
  readonly id: number
  /** The user, or where nobody has logged in, the host that the application runs on. */
  readonly owner: string
  /** The application's own `host:port`. */
  readonly application: string
  /** The application's end, for stages that reach it by other ways than answers. */
  readonly near?: Link
}

/**
 * What the relay knows about SpiNNaker sits in stages: each wraps the board's end of a flow. A stage that holds
 * state for all flows of a board (slots, the current boot) is made once a board and keeps it in its closure.
 */
export type Stage = (link: Link, flow: Flow) => Link

/** Wraps `link` in `stages`, the first named outermost (nearest to the application). */
export function throughStages(stages: readonly Stage[], link: Link, flow: Flow): Link {
  return stages.reduceRight((inner, stage) => stage(inner, flow), link)
}
