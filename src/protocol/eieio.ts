/**
 * EIEIO, the protocol of spikes: data messages (lists of keys, with or without payloads) and commands, little-endian,
 * bare in UDP or as an SDP payload. This file has data messages and tells the two apart; eieio-command.ts has the
 * commands. Source: SpiNNMan's messages/eieio and the captures in tests/captures.
 */

/** Most bytes of a data message that a board takes. */
export const EIEIO_MAX_DATA_MESSAGE = 256
/** Bits of the first word that say what a message is. */
const KIND_MASK = 0xc000
/** Value of those bits in a command: no key prefix, and yet "prefix in the upper half", which no data message has. */
export const EIEIO_COMMAND_BIT = 0x4000

/** What the elements of a data message are; the numbers are those on the wire. */
export const EieioType = {
  /** 16-bit keys. */
  key16: 0,
  /** 16-bit keys, each with a 16-bit payload. */
  key16Payload16: 1,
  /** 32-bit keys. */
  key32: 2,
  /** 32-bit keys, each with a 32-bit payload. */
  key32Payload32: 3,
} as const
export type EieioType = (typeof EieioType)[keyof typeof EieioType]

/** One element as it stands in the message; keys and payloads are u16 or u32 after the type, payloads only with types 1 and 3. */
export interface EieioElement {
  readonly key: number
  readonly payload?: number
}

/** A data message taken apart. Elements are as on the wire; `eieioEvents` applies prefix and base. */
export interface EieioData {
  readonly kind: "data"
  readonly type: EieioType
  /** Two bits that nobody uses. */
  readonly tag: number
  /** Payloads (or the base) are timestamps. */
  readonly timestamps: boolean
  /** A u16 that is part of every key: its lower half, or its upper one. */
  readonly keyPrefix?: { readonly value: number; readonly upper: boolean }
  /** Part of every payload, or all of it where elements have none; u16 with types 0 and 1, else u32. */
  readonly payloadBase?: number
  /** At most 255. */
  readonly elements: readonly EieioElement[]
}

/** Bytes of a key (and of a payload, where there is one) of `type`. */
export function eieioKeyBytes(type: EieioType): 2 | 4 {
  return type < EieioType.key32 ? 2 : 4
}

/** True for types whose elements have payloads of their own. */
export function eieioHasPayload(type: EieioType): boolean {
  return (type & 1) === 1
}

/** Bytes of one element. */
export function eieioElementBytes(type: EieioType): number {
  return eieioKeyBytes(type) * (eieioHasPayload(type) ? 2 : 1)
}

/** Bytes before the first element: 2 to 8. */
export function eieioHeaderBytes(message: Pick<EieioData, "type" | "keyPrefix" | "payloadBase">): number {
  return (
    2 +
    (message.keyPrefix === undefined ? 0 : 2) +
    (message.payloadBase === undefined ? 0 : eieioKeyBytes(message.type))
  )
}

/** True if the first two bytes begin a command; undefined if there are none. */
export function isEieioCommand(bytes: Uint8Array): boolean | undefined {
  if (bytes.length < 2) return undefined
  return ((bytes[0]! | (bytes[1]! << 8)) & KIND_MASK) === EIEIO_COMMAND_BIT
}

/**
 * The data message at the start of `bytes`; undefined for a command and for one that is cut short. Bytes behind the
 * last element are not looked at, as on the board.
 */
export function decodeEieioData(bytes: Uint8Array): EieioData | undefined {
  if (isEieioCommand(bytes) !== false) return undefined
  const count = bytes[0]!
  const flags = bytes[1]!
  const type = ((flags >> 2) & 3) as EieioType
  const hasPrefix = (flags & 0x80) !== 0
  const hasBase = (flags & 0x20) !== 0
  const size = eieioKeyBytes(type)
  const elementsAt = 2 + (hasPrefix ? 2 : 0) + (hasBase ? size : 0)
  if (bytes.length < elementsAt + count * eieioElementBytes(type)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const read = (at: number): number => (size === 2 ? view.getUint16(at, true) : view.getUint32(at, true))
  const elements: EieioElement[] = []
  const step = eieioElementBytes(type)
  for (let element = 0; element < count; element++) {
    const at = elementsAt + element * step
    elements.push(eieioHasPayload(type) ? { key: read(at), payload: read(at + size) } : { key: read(at) })
  }
  return {
    kind: "data",
    type,
    tag: flags & 3,
    timestamps: (flags & 0x10) !== 0,
    ...(hasPrefix && { keyPrefix: { value: view.getUint16(2, true), upper: (flags & 0x40) !== 0 } }),
    ...(hasBase && { payloadBase: read(elementsAt - size) }),
    elements,
  }
}

/** The bytes of `message`. Throws RangeError for more than 255 elements: their count is one byte. */
export function encodeEieioData(message: EieioData): Uint8Array {
  const { type, keyPrefix, payloadBase, elements } = message
  if (elements.length > 255) throw new RangeError(`Cannot encode ${elements.length} elements: expected at most 255`)
  const size = eieioKeyBytes(type)
  const bytes = new Uint8Array(eieioHeaderBytes(message) + elements.length * eieioElementBytes(type))
  const view = new DataView(bytes.buffer)
  let at = 2
  const write = (value: number): void => {
    if (size === 2) view.setUint16(at, value, true)
    else view.setUint32(at, value, true)
    at += size
  }
  bytes[0] = elements.length
  bytes[1] =
    (keyPrefix ? 0x80 : 0) |
    (keyPrefix?.upper ? 0x40 : 0) |
    (payloadBase === undefined ? 0 : 0x20) |
    (message.timestamps ? 0x10 : 0) |
    (type << 2) |
    (message.tag & 3)
  if (keyPrefix) {
    view.setUint16(at, keyPrefix.value, true)
    at += 2
  }
  if (payloadBase !== undefined) write(payloadBase)
  for (const { key, payload = 0 } of elements) {
    write(key)
    if (eieioHasPayload(type)) write(payload)
  }
  return bytes
}

/** Keys and payloads as an application means them: prefix and base put in. */
export function eieioEvents(message: EieioData): { key: number; payload?: number }[] {
  const { keyPrefix, payloadBase, type } = message
  const prefix = keyPrefix ? (keyPrefix.upper ? keyPrefix.value << 16 : keyPrefix.value) : 0
  return message.elements.map(({ key, payload }) => {
    const whole = (key | prefix) >>> 0
    if (eieioHasPayload(type)) return { key: whole, payload: ((payload ?? 0) | (payloadBase ?? 0)) >>> 0 }
    return payloadBase === undefined ? { key: whole } : { key: whole, payload: payloadBase }
  })
}
