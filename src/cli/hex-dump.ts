/** Memory as text: address, sixteen bytes, and what of them can be printed. */

/** A line for each 16 bytes. */
export function hexDump(bytes: Uint8Array, address: number): string {
  let text = ""
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)]
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")
    const plain = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("")
    text += `${(address + at).toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${plain}\n`
  }
  return text
}
