/**
 * Hears the beacons of unbooted boards beside the server, at UDP 54321: the first ones are broadcast, and those after a
 * boot datagram come to whoever sent it. Where another program has the port the server does
 * everything else, and looks again now and then.
 */
import type { Observer } from "../observe/observer.ts"
import { BootOpcode, decodeBoot } from "../protocol/boot.ts"
import { formatAddress } from "../transport/address.ts"
import { type Clock, every, type Timer } from "../transport/clock.ts"
import { errorCode, type OpenSocket, openSocket, type RawSocket } from "../transport/udp-socket.ts"

/** Time between two tries at a port that is taken, milliseconds. */
export const HELLO_RETRY_MS = 30_000

/** True for the beacon of a boot ROM. */
export function isHello(datagram: Uint8Array): boolean {
  return decodeBoot(datagram)?.opcode === BootOpcode.hello
}

/** What a listener needs. */
export interface HelloListenerOptions {
  readonly host: string
  readonly port: number
  readonly clock: Clock
  readonly observer: Observer
  /** The board is on this machine: if the port cannot be had there is nothing that a person must mend. */
  readonly expectTaken: boolean
  readonly onHello: (host: string, datagram: Uint8Array) => void
  readonly open?: OpenSocket
}

/** One socket, or the wait for it. */
export class HelloListener {
  readonly #options: HelloListenerOptions
  readonly #timer: Timer
  #socket: RawSocket | undefined
  #complained = false
  #closed = false

  constructor(options: HelloListenerOptions) {
    this.#options = options
    this.#timer = every(options.clock, HELLO_RETRY_MS, () => void this.#open())
    void this.#open()
  }

  /** True while beacons can be heard. */
  get listening(): boolean {
    return this.#socket !== undefined && !this.#socket.closed
  }

  close(): void {
    this.#closed = true
    this.#timer.cancel()
    this.#socket?.close()
    this.#socket = undefined
  }

  async #open(): Promise<void> {
    if (this.listening || this.#closed) return
    const { host, port, observer, expectTaken, open = openSocket } = this.#options
    const address = { host, port }
    try {
      const socket = await open({ ...address, shared: true }, this.#owner)
      // Closed meanwhile, or the timer was quicker.
      if (this.#closed || this.listening) socket.close()
      else this.#socket = socket
    } catch (error) {
      if (this.#complained) return
      this.#complained = true
      const detail = errorCode(error)
      const retryMs = HELLO_RETRY_MS
      observer.event({ type: "hello-unheard", address: formatAddress(address), detail, retryMs, expectTaken })
      return
    }
    if (this.#complained) observer.event({ type: "hello-listening", address: formatAddress(address) })
    this.#complained = false
  }

  readonly #owner = {
    onDatagram: (datagram: Uint8Array, _port: number, host: string): void => {
      try {
        if (isHello(datagram)) this.#options.onHello(host, datagram)
        else this.#options.observer.drop("malformed", host)
      } catch (error) {
        this.#options.observer.event({ type: "internal-error", where: `beacon from ${host}`, detail: String(error) })
      }
    },
    onError() {},
    onDrain() {},
  }
}
