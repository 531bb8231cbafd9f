/** SCP requests as programs send them, for tests that only need some. */
import { Command, encodeScpRequest, type ScpRequest } from "../../src/protocol/scp.ts"
import { SdpFlag } from "../../src/protocol/sdp.ts"

const NOTHING = new Uint8Array(0)
/** Where SDRAM is free to use. */
export const SDRAM = 0x60000000

/** A request to the monitor of chip 255,255 unless told otherwise. */
export function scpRequest(change: Partial<ScpRequest> & { sequence: number }): Uint8Array {
  return encodeScpRequest({
    sdp: {
      flags: SdpFlag.reply,
      tag: 0xff,
      destPort: 0,
      destCpu: 0,
      srcPort: 7,
      srcCpu: 31,
      destX: 255,
      destY: 255,
      srcX: 0,
      srcY: 0,
    },
    command: Command.VER,
    arg1: 0,
    arg2: 0,
    arg3: 0,
    data: NOTHING,
    ...change,
  })
}

/** VER. */
export function verRequest(sequence: number): Uint8Array {
  return scpRequest({ sequence })
}

/** WRITE of `data` (a whole number of words). */
export function writeRequest(sequence: number, address: number, data: Uint8Array): Uint8Array {
  return scpRequest({ sequence, command: Command.WRITE, arg1: address, arg2: data.length, arg3: 2, data })
}

/** READ of `length` bytes (a whole number of words). */
export function readRequest(sequence: number, address: number, length: number): Uint8Array {
  return scpRequest({ sequence, command: Command.READ, arg1: address, arg2: length, arg3: 2 })
}
