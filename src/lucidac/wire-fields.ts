/** The fields of a protobuf message as spans of its bytes, without decoding what is in them. */

/** One field: where it starts, where its value starts (behind a length), and where it ends. */
export interface WireField {
  number: number
  wireType: number
  start: number
  value: number
  end: number
}

/** Wire type of strings, bytes and messages. */
export const LENGTH_DELIMITED = 2

/**
 * Steps through the fields of `bytes` from `offset`, filling `field`; false at the end, undefined where the bytes are no
 * fields. Groups, which proto3 does not have, count as such.
 */
export function nextField(bytes: Uint8Array, offset: number, field: WireField): boolean | undefined {
  if (offset >= bytes.length) return false
  field.start = offset
  let at = offset
  let tag = 0
  // A field number has 29 bits: a tag of five bytes, the last below 16.
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    if (byte === undefined || shift > 28 || (shift === 28 && byte > 0x0f)) return undefined
    tag |= (byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  field.number = tag >>> 3
  field.wireType = tag & 7
  if (field.number === 0) return undefined
  field.value = at
  switch (field.wireType) {
    case 0:
      for (let count = 1; ; count++) {
        const byte = bytes[at++]
        if (byte === undefined || count > 10) return undefined
        if (byte < 0x80) break
      }
      break
    case 1:
      at += 8
      break
    case LENGTH_DELIMITED: {
      let length = 0
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++]
        if (byte === undefined || shift > 28 || (shift === 28 && byte > 0x07)) return undefined
        length |= (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
      field.value = at
      at += length
      break
    }
    case 5:
      at += 4
      break
    default:
      return undefined
  }
  if (at > bytes.length) return undefined
  field.end = at
  return true
}

/** A field to be filled by `nextField`. */
export function emptyField(): WireField {
  return { number: 0, wireType: 0, start: 0, value: 0, end: 0 }
}
