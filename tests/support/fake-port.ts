/** A TCP connection without a socket: what is written is kept, and the test says how much the "system" takes. */
import type { TcpPort } from "../../src/transport/tcp-port.ts"
import { eventLoopTurn } from "./link-contract.ts"

export class FakePort implements TcpPort {
  readonly peer = { host: "192.0.2.7", port: 40112 }
  /** Bytes that the system still takes. */
  takes = Number.POSITIVE_INFINITY
  readonly #writes: Buffer[] = []
  ended: "end" | "abort" | "half" | undefined

  write(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.takes)
    this.takes -= taken
    if (taken > 0) this.#writes.push(Buffer.from(bytes.subarray(0, taken)))
    return taken
  }

  end(): void {
    this.ended ??= "end"
  }

  endSending(): void {
    this.ended ??= "half"
  }

  abort(): void {
    this.ended ??= "abort"
  }

  /** What has been written since the last call. */
  taken(): Buffer {
    return Buffer.concat(this.#writes.splice(0))
  }
}

/** Something that reads a connection's bytes. */
interface Reader {
  received(chunk: Uint8Array): void
}

/** Carries bytes between two ends until neither has any left. */
export async function carry(
  a: { port: FakePort; reader: Reader },
  b: { port: FakePort; reader: Reader },
): Promise<void> {
  for (let quiet = 0; quiet < 3; quiet++) {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const bytes = from.port.taken()
      if (bytes.length === 0) continue
      to.reader.received(new Uint8Array(bytes))
      quiet = 0
    }
    await eventLoopTurn()
  }
}
