/** The insides of the few messages that are looked into. Fields that our .proto does not list stay with the message. */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf"
import { encodeV1 } from "./envelope.ts"

/** A payload decoded by its schema, or undefined where it is none of it. */
export function decodePayload<Desc extends DescMessage>(
  schema: Desc,
  payload: Uint8Array,
): MessageShape<Desc> | undefined {
  try {
    return fromBinary(schema, payload)
  } catch {
    return undefined
  }
}

/** The bytes of a message, unknown fields included. */
export function encodePayload<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Uint8Array {
  return toBinary(schema, create(schema, init))
}

/** The envelope of a message of kind `arm` with this payload. */
export function encodeMessage<Desc extends DescMessage>(
  id: string | undefined,
  arm: number,
  schema: Desc,
  init: MessageInitShape<Desc>,
): Uint8Array {
  return encodeV1(id, arm, encodePayload(schema, init))
}
