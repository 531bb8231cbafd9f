/** Which of the two languages a connection speaks, told by its first bytes. */

/** What the first bytes say: `more` of them are needed, or they are `neither`. */
export type Language = "protobuf" | "json" | "more" | "neither"

/** Of Envelope: generic message (A2 06), message of version 1 (AA 06), version (0A). */
const ENVELOPE_TAGS: ReadonlySet<number> = new Set([0xa2, 0xaa])
const VERSION_TAG = 0x0a
const BRACE = 0x7b
const MAX_VARINT = 10

/**
 * A frame is a length and then one of three tags; a JSON value is white space, `{`, and then white space, `"` or `}`.
 * The one overlap is `7B 0A`: a frame of 123 bytes that begins with a version, whose length (0..18) comes next, or `{`
 * and a line's end.
 */
export function sniff(bytes: Uint8Array): Language {
  const first = bytes[0]
  if (first === undefined) return "more"
  const second = bytes[1]
  if (first === BRACE) {
    if (second === undefined) return "more"
    if (ENVELOPE_TAGS.has(second)) return "protobuf"
    if (second !== VERSION_TAG) return isSpace(second) || second === 0x22 || second === 0x7d ? "json" : "neither"
    const third = bytes[2]
    if (third === undefined) return "more"
    return isSpace(third) || third === 0x22 || third === 0x7d ? "json" : "protobuf"
  }
  let at = 0
  while (at < MAX_VARINT && at < bytes.length && bytes[at]! & 0x80) at++
  const tag = bytes[at + 1]
  if (tag === undefined) {
    if (at >= MAX_VARINT) return "neither"
    return "more"
  }
  if (ENVELOPE_TAGS.has(tag)) return "protobuf"
  if (tag === VERSION_TAG) {
    if (!isSpace(first)) return "protobuf"
    // White space and a line's end, or a short frame that begins with a version and its length.
    const length = bytes[at + 2]
    if (length !== undefined && length <= MAX_VERSION && !isSpace(length)) return "protobuf"
  }
  if (!isSpace(first)) return "neither"
  // White space before the first value: what counts comes behind it.
  let begin = 0
  while (begin < bytes.length && isSpace(bytes[begin]!)) begin++
  if (begin === bytes.length) return bytes.length > MAX_SPACE ? "neither" : "more"
  return bytes[begin] === BRACE ? "json" : "neither"
}

/** Bytes of a version: three numbers of 32 bits. */
const MAX_VERSION = 18
/** White space that may come before the first value. */
const MAX_SPACE = 64

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}
