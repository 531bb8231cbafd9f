/** What has come and nobody has asked for yet, and who asked before anything came. */
import type { Drops } from "../observe/observer.ts"
import type { Address } from "../transport/address.ts"
import type { Clock } from "../transport/clock.ts"
import { SpinnmanEOFException, SpinnmanTimeoutException } from "./exceptions.ts"

/** A datagram and the address that it came from. */
export interface ReceivedDatagram {
  readonly data: Uint8Array
  readonly address: Address
}

/**
 * What a connection keeps for a caller that is busy. 1 MiB is the socket buffer that SpiNNMan asks the system for.
 * There is no limit of age: as with a socket, an application that asks late still wants what came.
 */
export const RECEIVE_QUEUE_LIMIT = { datagrams: 4096, bytes: 1 << 20 } as const

interface Waiter {
  give(datagram: ReceivedDatagram): void
  ready(): void
  fail(error: Error): void
}

/** A bounded first-in-first-out queue with waiting readers; the oldest datagram goes when it is full. */
export class ReceiveQueue {
  #held: ReceivedDatagram[] = []
  #heldBytes = 0
  readonly #readers = new Set<Waiter>()
  readonly #watchers = new Set<Waiter>()
  #closed = false

  constructor(
    private readonly clock: Clock,
    private readonly drops: Drops,
  ) {}

  /** A datagram has come; after `close` it is dropped. */
  push(datagram: ReceivedDatagram): void {
    if (this.#closed) return
    for (const reader of this.#readers) {
      reader.give(datagram)
      return
    }
    this.#held.push(datagram)
    this.#heldBytes += datagram.data.length
    while (this.#held.length > RECEIVE_QUEUE_LIMIT.datagrams || this.#heldBytes > RECEIVE_QUEUE_LIMIT.bytes) {
      this.#heldBytes -= this.#held.shift()?.data.length ?? 0
      this.drops.drop("queue-full", "receive queue")
    }
    for (const watcher of this.#watchers) watcher.ready()
  }

  /** The next datagram; see `UDPConnection.receive` for times and errors. */
  take(timeoutMs: number, signal?: AbortSignal): Promise<ReceivedDatagram> {
    if (this.#closed) return Promise.reject(new SpinnmanEOFException())
    const first = this.#held.shift()
    if (first) {
      this.#heldBytes -= first.data.length
      return Promise.resolve(first)
    }
    return this.#wait(this.#readers, timeoutMs, signal, undefined)
  }

  /** True as soon as `take` would not wait: something is here, or the queue is closed. False after `timeoutMs`. */
  async ready(timeoutMs: number): Promise<boolean> {
    if (this.#closed || this.#held.length > 0) return true
    return (await this.#wait(this.#watchers, timeoutMs, undefined, false)) !== false
  }

  /** Everybody who waits learns that there will be nothing more. */
  close(): void {
    this.#closed = true
    this.#held = []
    this.#heldBytes = 0
    for (const reader of this.#readers) reader.fail(new SpinnmanEOFException())
    for (const watcher of this.#watchers) watcher.ready()
  }

  /** Joins `waiters`; at the end of the time rejects, or resolves with `onTimeout` where one is given. */
  #wait<T>(waiters: Set<Waiter>, timeoutMs: number, signal: AbortSignal | undefined, onTimeout: T): Promise<never>
  #wait(
    waiters: Set<Waiter>,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    onTimeout: unknown,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onAbort = () => waiter.fail(signal?.reason)
      const settle = (act: () => void) => {
        waiters.delete(waiter)
        timer?.cancel()
        signal?.removeEventListener("abort", onAbort)
        act()
      }
      const waiter: Waiter = {
        give: (datagram) => settle(() => resolve(datagram)),
        ready: () => settle(() => resolve(true)),
        fail: (error) => settle(() => reject(error)),
      }
      const expire = () =>
        onTimeout === undefined
          ? waiter.fail(new SpinnmanTimeoutException("receive", timeoutMs))
          : settle(() => resolve(onTimeout))
      // A time of 0 still waits for one turn of the event loop, in which the system hands over what it holds.
      const timer = Number.isFinite(timeoutMs) ? this.clock.after(timeoutMs, expire) : undefined
      signal?.addEventListener("abort", onAbort, { once: true })
      waiters.add(waiter)
    })
  }
}
