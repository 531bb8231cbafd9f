/** Whole frames as protoc's output makes them: length, then envelope. */
import { fromHex } from "../support/fuzz.ts"

export const EXAMPLES = {
  ping: fromHex("06 a2 06 03 a2 06 00"),
  pong: fromHex("06 a2 06 03 aa 06 00"),
  reset: fromHex("0e aa 06 0b 0a 02 61 62 d2 0c 04 10 01 28 01"),
  extract: fromHex("0e aa 06 0b 0a 02 61 62 da 0c 04 10 01 18 01"),
  busy: fromHex("0a aa 06 07 0a 02 61 62 b2 1f 00"),
  success: fromHex("0a aa 06 07 0a 02 61 62 a2 06 00"),
  auth: fromHex("11 aa 06 0e 0a 02 61 62 aa 1f 07 0a 05 0a 03 74 6f 6b"),
  error: fromHex("09 aa 06 06 aa 06 03 12 01 78"),
  udp: fromHex("0f aa 06 0c 0a 02 61 62 ba 0d 05 0d 88 13 00 00"),
  stateChange: fromHex("15 aa 06 12 8a 13 0f 0a 03 0a 01 72 10 06 18 07 32 04 0a 02 2f 4d"),
  runData: fromHex(
    "32 aa 06 2f 92 13 2c 0a 05 0a 01 72 10 01 12 04 0a 02 2f 4d 1a 1d 0a 04 01 00 02 00 22 04 12 02 10 10 " +
      "2a 0b 11 00 00 00 00 00 00 e0 3f 20 03 30 01 38 02",
  ),
} as const

/** The envelope in a frame of fewer than 128 bytes. */
export const bodyOf = (frame: Uint8Array): Uint8Array => frame.subarray(1)
