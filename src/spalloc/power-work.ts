/**
 * One piece of power work on one BMP: switch, see that the FPGAs came up, cut the links that leave the job. A power-on is
 * never repeated while the BMP may still answer the last one: a second one would reset boards.
 */
import type { BMPConnection } from "../connections/bmp-connection.ts"
import { errorText, SpinnmanException, SpinnmanTimeoutException } from "../connections/exceptions.ts"
import { type FpgaRegister, readFpgaRegister, writeFpgaRegister } from "../connections/fpga-registers.ts"
import { POWER_ON_WAIT_MS } from "../connections/power.ts"
import { SCPRequestPipeLine } from "../connections/scp-request-pipeline.ts"
import { sleep } from "../connections/sleep.ts"
import { getVersion } from "../connections/version-query.ts"
import { Command } from "../protocol/scp.ts"
import type { Clock } from "../transport/clock.ts"
import { FPGA_FLAG, FPGAS, stopRegister } from "./fpga-links.ts"
import type { PowerResult, PowerWork } from "./types.ts"

/** How long things take, in milliseconds. */
export interface PowerTiming {
  /** For the answer to "on", late ones included: the 10 s of other servers and the 15 s that they pause before a second try. */
  readonly onMs: number
  /** For the answer to "off", which can be said again freely. */
  readonly offMs: number
  /** For the answer to anything else. */
  readonly requestMs: number
  /** From the answer to "on" until the boards are ready. */
  readonly readyMs: number
  /** Before a second try after an error that the BMP told of. */
  readonly retryMs: number
}

export const POWER_TIMING: PowerTiming = {
  onMs: 25_000,
  offMs: 2_000,
  requestMs: 1_000,
  readyMs: POWER_ON_WAIT_MS,
  retryMs: 15_000,
}

/** Tries of a power-on, the first included. */
const POWER_TRIES = 2
/** Further tries of what may be repeated. */
const RETRIES = 4
/** How often boards whose FPGAs did not come up are switched on again. */
const FLAG_ROUNDS = 3
/** Since this major version a BMP knows FPGA registers. */
const FPGA_VERSION = 2

export interface PowerWorkContext {
  readonly clock: Clock
  readonly timing: PowerTiming
  readonly signal: AbortSignal
  readonly onRetry: (detail: string, retryMs: number) => void
}

/** Trouble with certain boards, or with all of the work's where there are none. */
class PowerTrouble extends Error {
  constructor(
    message: string,
    readonly boards?: readonly number[],
  ) {
    super(message)
  }
}

/** Does `work` over a connection of its own; resolves with how it ended and never rejects. */
export async function doPowerWork(
  connection: BMPConnection,
  work: PowerWork,
  context: PowerWorkContext,
): Promise<PowerResult> {
  try {
    await new PowerTask(connection, work, context).run()
    return { kind: "done" }
  } catch (error) {
    const where = `BMP ${work.bmp} (cabinet ${work.cabinet}, frame ${work.frame})`
    const boards = error instanceof PowerTrouble ? error.boards : undefined
    return { kind: "failed", detail: `${where}: ${errorText(error)}`, ...(boards && { boards }) }
  }
}

class PowerTask {
  /** Every request of the task has its own, so that a late answer is nobody else's. */
  #sequence = 0

  constructor(
    private readonly connection: BMPConnection,
    private readonly work: PowerWork,
    private readonly context: PowerWorkContext,
  ) {}

  async run(): Promise<void> {
    const { boards, on, isolate } = this.work
    if (!on) {
      await this.#ask(this.context.timing.offMs, RETRIES, (pipeline) => this.#power(pipeline, boards, false))
      return
    }
    await this.#powerOn(boards)
    const withFpgas = await this.#boardsWithFpgas()
    await this.#awaitFpgas(withFpgas)
    for (const { board, link } of isolate) {
      if (!withFpgas.includes(board)) continue
      await this.#register({ board, ...stopRegister(link) }, (pipeline, register) =>
        writeFpgaRegister(pipeline, register, 1),
      )
    }
  }

  async #powerOn(boards: readonly number[]): Promise<void> {
    const { timing, clock, signal, onRetry } = this.context
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#ask(timing.onMs, 0, (pipeline) => this.#power(pipeline, boards, true))
        break
      } catch (error) {
        if (signal.aborted || attempt === POWER_TRIES || !(error instanceof SpinnmanException)) throw error
        if (error instanceof SpinnmanTimeoutException) {
          // Silence: is it there at all? Nothing is switched twice by asking.
          await this.#ask(timing.requestMs, RETRIES, (pipeline) => getVersion(pipeline, { x: 0, y: 0 }))
          onRetry(error.message, 0)
        } else {
          onRetry(error.message, timing.retryMs)
          await sleep(clock, timing.retryMs, signal)
        }
      }
    }
    await sleep(clock, timing.readyMs, signal)
  }

  /** Boards whose BMP knows FPGA registers. */
  async #boardsWithFpgas(): Promise<number[]> {
    const found: number[] = []
    for (const board of this.work.boards) {
      const version = await this.#ofBoard(board, () =>
        this.#ask(this.context.timing.requestMs, RETRIES, (pipeline) =>
          getVersion(pipeline, { x: 0, y: 0, cpu: board }),
        ),
      )
      if (Number.parseInt(version.version, 10) >= FPGA_VERSION) found.push(board)
    }
    return found
  }

  async #awaitFpgas(boards: readonly number[]): Promise<void> {
    let wrong = boards
    for (let round = 1; ; round++) {
      const still: number[] = []
      let which = ""
      for (const board of wrong) {
        const fpga = await this.#missingFpga(board)
        if (fpga === undefined) continue
        still.push(board)
        which ||= `FPGA ${fpga} of board ${board} did not come up`
      }
      if (still.length === 0) return
      if (round === FLAG_ROUNDS) throw new PowerTrouble(`${which} in ${FLAG_ROUNDS} power-ons`, still)
      this.context.onRetry(which, 0)
      await this.#powerOn(still)
      wrong = still
    }
  }

  async #missingFpga(board: number): Promise<number | undefined> {
    for (let fpga = 0; fpga < FPGAS; fpga++) {
      const flag = await this.#register({ board, fpga, address: FPGA_FLAG }, readFpgaRegister)
      if ((flag & 3) !== fpga) return fpga
    }
    return undefined
  }

  #register<T>(
    register: FpgaRegister,
    act: (pipeline: SCPRequestPipeLine, register: FpgaRegister) => Promise<T>,
  ): Promise<T> {
    return this.#ofBoard(register.board, () =>
      this.#ask(this.context.timing.requestMs, RETRIES - 1, (pipeline) => act(pipeline, register)),
    )
  }

  /** A failure is that board's. */
  async #ofBoard<T>(board: number, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      throw new PowerTrouble(`board ${board}: ${errorText(error)}`, [board])
    }
  }

  /** Power goes to board 0, whatever boards it names: others mishandle it. */
  async #power(pipeline: SCPRequestPipeLine, boards: readonly number[], on: boolean): Promise<void> {
    const mask = boards.reduce((bits, board) => bits | (1 << board), 0)
    await pipeline.request({ command: Command.POWER, destX: 0, destY: 0, arg1: on ? 1 : 0, arg2: mask })
  }

  #ask<T>(timeoutMs: number, retries: number, act: (pipeline: SCPRequestPipeLine) => Promise<T>): Promise<T> {
    const { clock, signal } = this.context
    const firstSequence = this.#sequence++ & 0xffff
    const retryable = retries === 0 ? { retryable: new Set<number>() } : {}
    return act(
      new SCPRequestPipeLine(this.connection, {
        clock,
        signal,
        timeoutMs,
        retries,
        firstSequence,
        channels: 1,
        intermediateChannelWaits: 0,
        deadline: "request",
        ...retryable,
      }),
    )
  }
}
