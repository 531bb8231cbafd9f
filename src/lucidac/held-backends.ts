/** The devices that a client's full buffer holds back, until it has read half of it. */
import type { Backend } from "./backend.ts"
import type { ProxyEvent } from "./events.ts"

/** Whose buffer it is. */
export interface HeldBackendsOptions {
  readonly client: { readonly name: string; readonly backlog: number }
  /** The buffer's size at this time. */
  readonly bufferBytes: () => number
  readonly onEvent: (event: ProxyEvent) => void
}

/** Which ones are held back, and when they go on. */
export class HeldBackends {
  readonly #options: HeldBackendsOptions
  readonly #held = new Set<Backend>()

  constructor(options: HeldBackendsOptions) {
    this.#options = options
  }

  /** Some are held back. */
  get any(): boolean {
    return this.#held.size > 0
  }

  /** Reads nothing more from a device for now, where it can be held back; said once. */
  hold(backend: Backend): void {
    if (this.#held.has(backend) || !backend.pause()) return
    this.#held.add(backend)
    const { client, onEvent } = this.#options
    onEvent({ type: "held-back", client: client.name, bytes: client.backlog, device: backend.name })
  }

  /** A device is gone: if it was held back it is not any more. */
  forget(backend: Backend): void {
    this.#held.delete(backend)
  }

  /** The client has read some, and `waitingBytes` are left: with half the buffer free the devices go on. */
  progress(waitingBytes: number): void {
    if (this.#held.size > 0 && waitingBytes <= Math.max(0, this.#options.bufferBytes() / 2)) this.release()
  }

  /** All go on. */
  release(): void {
    for (const backend of this.#held) backend.resume()
    this.#held.clear()
  }
}
