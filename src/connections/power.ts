/** Switches boards on and off through their BMP. Numbers: SpiNNMan's and both spalloc servers'. */
import { Command } from "../protocol/scp.ts"
import { type Clock, systemClock } from "../transport/clock.ts"
import { BMPConnection } from "./bmp-connection.ts"
import { SCPRequestPipeLine } from "./scp-request-pipeline.ts"
import { checkRange } from "./sdp-header.ts"
import { sleep } from "./sleep.ts"

/** Milliseconds that a BMP may take to answer "on": with board 0 among them it loads its FPGAs first, 2 to 5 s. */
export const POWER_ON_TIMEOUT_MS = 10_000
/** Milliseconds for "off", which is answered at once; the Java client's 2 s rather than SpiNNMan's 0.5, which a far relay can exceed. */
export const POWER_OFF_TIMEOUT_MS = 2_000
/** Milliseconds after the answer to "on" until the boards can be used: other boards than 0 are told over CAN and answered for at once. */
export const POWER_ON_WAIT_MS = 5_000
/** Milliseconds between off and on. No client waits here; supplies run empty in well under this. */
export const POWER_CYCLE_WAIT_MS = 2_000

/** Which boards, and what to wait on. */
export interface PowerOptions {
  /** Host name or IP address of the BMP. */
  readonly bmp: string
  readonly port?: number | undefined
  /** Boards 0..23 in its frame. */
  readonly boards: readonly number[]
  readonly clock?: Clock | undefined
  readonly signal?: AbortSignal | undefined
  /** Hears what is being waited for. */
  readonly onStep?: ((step: PowerStep) => void) | undefined
}

/** A step of a power change; `waitMs` is how long it can take. */
export interface PowerStep {
  readonly doing:
    | "switching on"
    | "switching off"
    | "waiting for the boards to be ready"
    | "waiting before switching on"
  readonly waitMs: number
}

/**
 * Switches boards on or off: one POWER, addressed to board 0 (others mishandle it), sent once and never again, since
 * a second "on" resets the boards. After "on" waits until the boards can be used. Rejects as
 * `SCPRequestPipeLine.request`; after SpinnmanTimeoutException it is not known whether the boards have changed.
 */
export async function setPower(state: "on" | "off", options: PowerOptions): Promise<void> {
  await using connection = await connect(options)
  await change(connection, state, options)
}

/** Off, a pause, on. Rejects as `setPower`; boards may be left off. */
export async function cyclePower(options: PowerOptions): Promise<void> {
  const { clock = systemClock, signal, onStep = () => {} } = options
  // Open all along: timers do not hold the process, sockets do.
  await using connection = await connect(options)
  await change(connection, "off", options)
  onStep({ doing: "waiting before switching on", waitMs: POWER_CYCLE_WAIT_MS })
  await sleep(clock, POWER_CYCLE_WAIT_MS, signal)
  await change(connection, "on", options)
}

async function connect({ bmp, port, boards, clock }: PowerOptions): Promise<BMPConnection> {
  for (const board of boards) checkRange("board", board, 23)
  return await BMPConnection.open({ ipAddress: bmp, portNum: port, boards, clock })
}

async function change(connection: BMPConnection, state: "on" | "off", options: PowerOptions): Promise<void> {
  const { clock = systemClock, signal, onStep = () => {}, boards } = options
  const timeoutMs = state === "on" ? POWER_ON_TIMEOUT_MS : POWER_OFF_TIMEOUT_MS
  // A second answer to "off" must not pass for the answer to "on".
  const firstSequence = state === "on" ? 1 : 0
  const once = { retries: 0, retryable: new Set<number>() }
  const pipeline = new SCPRequestPipeLine(connection, { clock, signal, timeoutMs, firstSequence, ...once })
  onStep({ doing: `switching ${state}`, waitMs: timeoutMs })
  const mask = boards.reduce((bits, board) => bits | (1 << board), 0)
  // The upper half of arg1 is a delay between boards in milliseconds; both spalloc servers use none.
  await pipeline.request({ command: Command.POWER, destX: 0, destY: 0, arg1: state === "on" ? 1 : 0, arg2: mask })
  if (state === "off") return
  onStep({ doing: "waiting for the boards to be ready", waitMs: POWER_ON_WAIT_MS })
  await sleep(clock, POWER_ON_WAIT_MS, signal)
}
