/** Registers of a SpiNN-5 board's three FPGAs, through its BMP. Source: spinnaker_tools 4.0.0, bmp_cmd.c; spI/O's register map. */
import { Command } from "../protocol/scp.ts"
import { SpinnmanInvalidPacketException } from "./exceptions.ts"
import type { SCPRequestPipeLine } from "./scp-request-pipeline.ts"
import { checkRange } from "./sdp-header.ts"

/** One register of one board. */
export interface FpgaRegister {
  /** 0..23 in its frame. */
  readonly board: number
  /** 0..2. */
  readonly fpga: number
  /** Byte address; the BMP takes whole words. */
  readonly address: number
}

const WORD = 4

/** The register's value. Rejects as `SCPRequestPipeLine.request`, and with SpinnmanInvalidPacketException for a short answer. */
export async function readFpgaRegister(pipeline: SCPRequestPipeLine, register: FpgaRegister): Promise<number> {
  const { body } = await pipeline.request({ command: Command.LINK_READ, ...target(register) })
  if (body.length >= WORD) return new DataView(body.buffer, body.byteOffset, WORD).getUint32(0, true)
  throw new SpinnmanInvalidPacketException("LINK_READ response", `${body.length} bytes, expected ${WORD}`)
}

/** Sets the register to `value`, a u32. Rejects as `SCPRequestPipeLine.request`. */
export async function writeFpgaRegister(
  pipeline: SCPRequestPipeLine,
  register: FpgaRegister,
  value: number,
): Promise<void> {
  const data = new Uint8Array(WORD)
  new DataView(data.buffer).setUint32(0, value, true)
  await pipeline.request({ command: Command.LINK_WRITE, ...target(register), data })
}

function target({ board, fpga, address }: FpgaRegister) {
  checkRange("board", board, 23)
  checkRange("fpga", fpga, 2)
  return { destX: 0, destY: 0, destCpu: board, arg1: address - (address % WORD), arg2: WORD, arg3: fpga }
}
