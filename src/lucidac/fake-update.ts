/** A fake device's new firmware: taken piece by piece, verified by its length, and then forgotten. */
import type { MessageInitShape } from "@bufbuild/protobuf"
import type { UpdateCommand, UpdateResponseSchema } from "./proto/lucidac_pb.ts"

type Answer = NonNullable<MessageInitShape<typeof UpdateResponseSchema>["kind"]>

/** Bytes that a device takes at once. */
const CHUNK_BYTES = 1024n
/** Largest image that a device has room for. */
const MAX_IMAGE = 8n << 20n

/** One update at a time. */
export class FakeUpdate {
  #size: bigint | undefined
  #written = 0n

  /** All of an image has come. */
  get whole(): boolean {
    return this.#size !== undefined && this.#written === this.#size
  }

  take({ kind }: UpdateCommand): Answer {
    switch (kind.case) {
      case "begin":
        if (kind.value.size === 0n || kind.value.size > MAX_IMAGE)
          return failure(`No room for ${kind.value.size} bytes`)
        this.#size = kind.value.size
        this.#written = 0n
        return { case: "ack", value: { chunkSize: CHUNK_BYTES } }
      case "write": {
        if (this.#size === undefined) return failure("No update was begun")
        const { data, offset } = kind.value
        if (BigInt(data.length) > CHUNK_BYTES) return failure(`More than ${CHUNK_BYTES} bytes at once`)
        if (offset !== this.#written) return failure(`Expected offset ${this.#written}, got ${offset}`)
        if (this.#written + BigInt(data.length) > this.#size) return failure("More than was announced")
        this.#written += BigInt(data.length)
        return { case: "success", value: {} }
      }
      case "verify":
      case "commit":
        return this.whole ? { case: "success", value: {} } : failure("The image is not whole")
      case "abort":
        this.#size = undefined
        return { case: "success", value: {} }
      case undefined:
        return failure("Nothing to do")
    }
  }
}

function failure(reason: string): Answer {
  return { case: "failure", value: { reason } }
}
