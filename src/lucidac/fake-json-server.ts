/** A fake device of the older generation on a real TCP port. */
import type { Address } from "../transport/address.ts"
import { systemClock } from "../transport/clock.ts"
import { FakeJsonDevice, type FakeJsonOptions } from "./fake-json-device.ts"
import { FakePort, type FakePortOptions } from "./fake-server.ts"

/** Options of a device on a socket. */
export interface FakeJsonServerOptions extends Omit<FakeJsonOptions, "clock">, FakePortOptions {
  readonly clock?: FakeJsonOptions["clock"]
}

/** The device and its port. */
export class FakeJsonServer {
  readonly device: FakeJsonDevice
  readonly #port: FakePort

  /** Listens at once; throws the system's error where it cannot. */
  constructor(options: FakeJsonServerOptions) {
    const clock = options.clock ?? systemClock
    this.#port = new FakePort(options, clock, () => this.device)
    this.device = new FakeJsonDevice({
      ...options,
      clock,
      onGone: (backMs) => {
        this.#port.gone(backMs)
        options.onGone?.(backMs)
      },
    })
  }

  /** Where it listens, also while it is gone. */
  get address(): Address {
    return this.#port.address
  }

  /** A device that died is there again. */
  revive(): void {
    this.#port.back()
  }

  /** Lets go of all sockets. */
  close(): void {
    this.#port.close()
    this.device.die()
  }
}
