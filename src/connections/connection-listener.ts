/** `ConnectionListener`: calls back for every message of a connection. */
import { type Observer, silentObserver } from "../observe/observer.ts"
import { errorText } from "./exceptions.ts"
import { messages } from "./messages.ts"
import type { ReceiveMethod } from "./udp-connection.ts"

/** Callbacks that may be running at once, as in SpiNNMan's pool of threads. */
export const LISTENER_CALLBACKS = 4
/** Messages that wait for a callback to end; the oldest goes then. */
export const LISTENER_BACKLOG = 4096

/** Anything that can be listened to. */
export interface Listenable<T> {
  getReceiveMethod(): ReceiveMethod<T>
}

/** Options of a listener. */
export interface ConnectionListenerOptions {
  /** Callbacks at once. */
  readonly callbacks?: number
  readonly observer?: Observer
}

/** Listens to a connection and hands each message to every callback. Closing it leaves the connection open. */
export class ConnectionListener<T> implements AsyncDisposable {
  readonly #callbacks = new Set<(message: T) => void | Promise<void>>()
  readonly #stop = new AbortController()
  readonly #observer: Observer
  readonly #limit: number
  readonly #connection: Listenable<T>
  readonly #running = new Set<Promise<void>>()
  #backlog: (() => Promise<void>)[] = []
  #loop: Promise<void> | undefined

  constructor(connection: Listenable<T>, options: ConnectionListenerOptions = {}) {
    this.#connection = connection
    this.#observer = options.observer ?? silentObserver
    this.#limit = options.callbacks ?? LISTENER_CALLBACKS
  }

  /** Adds a callback. What it throws, or rejects with, is reported as an `internal-error` event and otherwise ignored. */
  addCallback(callback: (message: T) => void | Promise<void>): void {
    this.#callbacks.add(callback)
  }

  /** Begins to listen; a second call does nothing. Ends by itself when the connection is closed. */
  start(): void {
    this.#loop ??= this.#run()
  }

  /** Stops listening; resolves when the callbacks that were running have ended. Those that waited are not called any more. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#backlog = []
    await this.#loop
    await Promise.all(this.#running)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(): Promise<void> {
    try {
      for await (const message of messages(this.#connection.getReceiveMethod(), this.#stop.signal, this.#observer)) {
        for (const callback of this.#callbacks) this.#schedule(callback, message)
      }
    } catch (error) {
      this.#complain(error)
    }
  }

  #schedule(callback: (message: T) => void | Promise<void>, message: T): void {
    this.#backlog.push(async () => callback(message))
    while (this.#backlog.length > LISTENER_BACKLOG) {
      this.#backlog.shift()
      this.#observer.drop("queue-full", "connection listener")
    }
    this.#startNext()
  }

  #startNext(): void {
    while (this.#running.size < this.#limit) {
      const next = this.#backlog.shift()
      if (!next) return
      const done: Promise<void> = next()
        .catch((error: unknown) => this.#complain(error))
        .then(() => {
          this.#running.delete(done)
          this.#startNext()
        })
      this.#running.add(done)
    }
  }

  #complain(error: unknown): void {
    this.#observer.event({ type: "internal-error", where: "connection listener", detail: errorText(error) })
  }
}
