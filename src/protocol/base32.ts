/** Base32 of RFC 4648 in small letters, without padding: what no mail program, chat or shell changes on its way. */

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567"

/** `bytes` in letters, eight for every five bytes. */
export function encodeBase32(bytes: Uint8Array): string {
  let text = ""
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) text += LETTERS[(held >> (bits - 5)) & 31]
    held &= (1 << bits) - 1
  }
  return bits > 0 ? text + LETTERS[(held << (5 - bits)) & 31] : text
}

/** The bytes of `text`, in letters of either size; undefined for other characters. Bits that make no whole byte are left out. */
export function decodeBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let length = 0
  let bits = 0
  let held = 0
  for (const letter of text.toLowerCase()) {
    const value = LETTERS.indexOf(letter)
    if (value < 0) return undefined
    held = (held << 5) | value
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[length++] = held >> bits
      held &= (1 << bits) - 1
    }
  }
  return bytes
}
