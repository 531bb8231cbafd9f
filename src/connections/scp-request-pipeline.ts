/**
 * `SCPRequestPipeLine`: what makes SCP reliable. Keeps several requests in flight on a connection, sends them again
 * when no reply comes, and pairs replies with requests by sequence number.
 */
import { decodeScpReply, Result, resultName, type ScpReply } from "../protocol/scp.ts"
import { type Clock, systemClock } from "../transport/clock.ts"
import {
  errorCode,
  errorText,
  SpinnmanEOFException,
  SpinnmanGenericProcessException,
  SpinnmanGroupedProcessException,
  SpinnmanInvalidPacketException,
  SpinnmanIOException,
  SpinnmanTimeoutException,
  SpinnmanUnexpectedResponseCodeException,
} from "./exceptions.ts"
import { type AbstractSCPConnection, describeRequest, type SCPRequest, type SCPResponse } from "./scp-connection.ts"
import { type Flight, ScpWindow, TIMEOUT_REASON, WINDOW_DEFAULTS, type WindowOptions } from "./scp-window.ts"

/** Requests that may wait for room in the window; a caller that waits for `sendRequest` never has more than one. */
export const PIPELINE_WAITING_LIMIT = 4096
/** Failures that `finish` tells of; a dead board need not fill the memory. */
const ERROR_LIMIT = 100

/** Options of a pipeline; what is left out is SpiNNMan's default. */
export interface SCPRequestPipeLineOptions extends Partial<WindowOptions> {
  readonly clock?: Clock | undefined
  /** Sequence of the first request, 0..65535. SpiNNMan counts for the process; here each pipeline does. */
  readonly firstSequence?: number
  /** Aborting it fails everything in flight with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** Gets the reply, result OK. */
export type ReplyCallback = (reply: ScpReply, response: SCPResponse) => void
/** Gets the exception that ended a request. */
export type ErrorCallback = (request: SCPRequest, error: Error) => void

interface Pending {
  readonly request: SCPRequest
  readonly onReply: ReplyCallback
  readonly onError: ErrorCallback
}

/**
 * Sends requests down one connection. It receives everything that comes there, so a connection has one pipeline.
 *
 * How a request fails: SpinnmanTimeoutException if no try had a reply; SpinnmanIOException if tries failed for
 * different reasons; SpinnmanUnexpectedResponseCodeException for a result that is neither OK nor worth a retry;
 * SpinnmanEOFException if the connection is closed.
 */
export class SCPRequestPipeLine {
  readonly #connection: AbstractSCPConnection
  readonly #options: WindowOptions
  readonly #clock: Clock
  readonly #signal: AbortSignal | undefined
  readonly #window: ScpWindow<Pending>
  readonly #room: (() => void)[] = []
  readonly #idle: (() => void)[] = []
  #errors: Error[] = []
  #receiving = false

  constructor(connection: AbstractSCPConnection, options: SCPRequestPipeLineOptions = {}) {
    const { clock = systemClock, firstSequence = 0, signal, ...window } = options
    this.#connection = connection
    this.#options = { ...WINDOW_DEFAULTS, ...window }
    this.#clock = clock
    this.#signal = signal
    this.#window = new ScpWindow(this.#options, firstSequence)
  }

  /** Times that replies were waited for in vain. */
  get nTimeouts(): number {
    return this.#window.timeouts
  }

  /** Requests sent again. */
  get nResent(): number {
    return this.#window.resent
  }

  /** Requests sent again because of a result code. */
  get nRetryCodeResent(): number {
    return this.#window.resentForCode
  }

  /** The most requests in flight. */
  get nChannels(): number {
    return this.#options.channels
  }

  /** Requests in flight now. */
  get inFlight(): number {
    return this.#window.size
  }

  /**
   * Sends `request` as soon as there is room in the window, and resolves then; await it, that is the brake.
   * `onReply` gets the reply. `onError` gets the failure; without it, `finish` throws it.
   * Rejects with SpinnmanInvalidParameterException for a request that cannot be encoded and with SpinnmanIOException if
   * PIPELINE_WAITING_LIMIT requests wait already.
   */
  async sendRequest(request: SCPRequest, onReply: ReplyCallback = () => {}, onError?: ErrorCallback): Promise<void> {
    this.#signal?.throwIfAborted()
    // No await between the check and the place taken, or two callers would take one place.
    while (!this.#window.hasRoom()) await this.#waitForRoom()
    this.#signal?.throwIfAborted()
    const pending: Pending = { request, onReply, onError: onError ?? ((_request, error) => this.#keep(error)) }
    const encode = (sequence: number) => this.#connection.getScpData({ ...request, sequence })
    const flight = this.#window.add(pending, encode, this.#clock.now())
    this.#receive()
    await this.#transmit(flight)
  }

  /** Resolves when there is room for a request; time to see whether one still makes sense. Rejects if PIPELINE_WAITING_LIMIT callers wait already. */
  async room(): Promise<void> {
    while (!this.#window.hasRoom()) await this.#waitForRoom()
  }

  /** Sends one request and resolves with its reply, result OK. Rejects with the failure itself, not wrapped. */
  request(request: SCPRequest): Promise<ScpReply> {
    return new Promise((resolve, reject) => {
      this.sendRequest(request, resolve, (_request, error) => reject(error)).catch(reject)
    })
  }

  /**
   * Resolves when nothing is in flight. Rejects then if requests without an `onError` have failed: with
   * SpinnmanGenericProcessException for one and SpinnmanGroupedProcessException for several.
   */
  async finish(): Promise<void> {
    while (this.#window.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
    const errors = this.#errors
    this.#errors = []
    if (errors.length === 1) throw new SpinnmanGenericProcessException(errors[0]!)
    if (errors.length > 1) throw new SpinnmanGroupedProcessException(errors)
  }

  /** True once a request without an `onError` has failed: time to send no more and to call `finish`. */
  get failed(): boolean {
    return this.#errors.length > 0
  }

  #keep(error: Error): void {
    if (this.#errors.length < ERROR_LIMIT) this.#errors.push(error)
  }

  #waitForRoom(): Promise<void> {
    if (this.#room.length >= PIPELINE_WAITING_LIMIT) {
      const problem = `Cannot queue another request: ${PIPELINE_WAITING_LIMIT} wait already; await sendRequest`
      return Promise.reject(new SpinnmanIOException(problem))
    }
    return new Promise((resolve) => this.#room.push(resolve))
  }

  /** Sends a datagram; a system that refuses is a lost try like any other, and gets its second chance at once. */
  async #transmit(flight: Flight<Pending>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#connection.send(flight.datagram)
      } catch (error) {
        if (error instanceof SpinnmanEOFException) return this.#failAll(error)
        // The first refusal may be the ICMP answer to an earlier datagram, with this one not sent at all.
        if (attempt === 1) this.#window.sendFailed(flight, errorCode(error) ?? errorText(error))
        else return
      }
    }
  }

  /** Runs while anything is in flight. */
  async #receive(): Promise<void> {
    if (this.#receiving) return
    this.#receiving = true
    try {
      for (let next = this.#window.nextMs; next !== undefined; next = this.#window.nextMs) {
        await this.#receiveOne(Math.max(0, next - this.#clock.now()))
      }
    } catch (error) {
      this.#failAll(error instanceof Error ? error : new SpinnmanIOException(errorText(error)))
    } finally {
      this.#receiving = false
    }
  }

  async #receiveOne(timeoutMs: number): Promise<void> {
    try {
      this.#accept(await this.#connection.receiveScpResponse(timeoutMs, this.#signal))
    } catch (error) {
      // Junk on the network is nobody's reply.
      if (error instanceof SpinnmanInvalidPacketException) return
      if (!(error instanceof SpinnmanTimeoutException)) throw error
      await this.#expire()
    }
  }

  async #expire(): Promise<void> {
    for (const action of this.#window.expire(this.#clock.now())) {
      switch (action.type) {
        case "send":
          await this.#transmit(action.flight)
          break
        case "failed":
          this.#fail(action.flight, this.#exhausted(action.flight))
          break
        default:
          action satisfies never
      }
    }
    this.#wake()
  }

  #accept(response: SCPResponse): void {
    const { sequence, result, data } = response
    const flight = this.#window.reply(sequence, result, resultName(result), this.#clock.now())
    if (!flight || flight === "retry") return
    const { request, onReply } = flight.context
    const reply = decodeScpReply(data)
    if (result !== Result.OK || !reply) {
      const error = reply
        ? new SpinnmanUnexpectedResponseCodeException(describeRequest(request), request.command, result)
        : new SpinnmanInvalidPacketException("SCP response", `${data.length} bytes`)
      this.#fail(flight, error)
    } else {
      this.#call(() => onReply(reply, response), flight)
    }
    this.#wake()
  }

  #fail(flight: Flight<Pending>, error: Error): void {
    const { request, onError } = flight.context
    try {
      onError(request, error)
    } catch (thrown) {
      this.#keep(thrown instanceof Error ? thrown : new SpinnmanIOException(errorText(thrown)))
    }
  }

  /** A callback that throws fails its own request only. */
  #call(callback: () => void, flight: Flight<Pending>): void {
    try {
      callback()
    } catch (error) {
      this.#fail(flight, error instanceof Error ? error : new SpinnmanIOException(errorText(error)))
    }
  }

  #failAll(error: Error): void {
    for (const flight of this.#window.clear()) this.#fail(flight, error)
    this.#wake()
  }

  #wake(): void {
    if (this.#window.size === 0) for (const resolve of this.#idle.splice(0)) resolve()
    const { channels, intermediateChannelWaits } = this.#options
    if (this.#window.size > intermediateChannelWaits) return
    for (const resolve of this.#room.splice(0, channels - this.#window.size)) resolve()
  }

  #exhausted(flight: Flight<Pending>): Error {
    const { reasons, context } = flight
    const what = describeRequest(context.request)
    const { retries, timeoutMs } = this.#options
    const tries = retries + 1
    if (reasons.every((reason) => reason === TIMEOUT_REASON)) {
      const message = `No reply to ${what} within ${timeoutMs / 1000} s, sent ${tries === 1 ? "once" : `${tries} times`}`
      return new SpinnmanTimeoutException(what, timeoutMs, message)
    }
    const text = [...new Set(reasons)].join(", ")
    return new SpinnmanIOException(`Errors sending ${what}, tried ${tries} times: ${text}`, { code: reasons.at(-1) })
  }
}
