/** Finds out what a booted machine consists of: its size, the P2P table for which chips there are, INFO of each. */
import { Command } from "../protocol/scp.ts"
import type { Version } from "../protocol/version.ts"
import { type ChipInfo, decodeChipInfo } from "./chip-info.ts"
import { errorText, SpinnmanInvalidPacketException } from "./exceptions.ts"
import { type Progress, readMemory } from "./memory-access.ts"
import type { SCPRequestPipeLine } from "./scp-request-pipeline.ts"
import { getVersion } from "./version-query.ts"

/** Address of SC&MP's system variables, and of the machine's size in them: width << 8 | height. */
export const SV_BASE = 0xf500_7f00
const SV_P2P_DIMS = SV_BASE + 2
/** Address of the P2P table: 3 bits a chip, 8 chips a word, 128 bytes a column. */
const P2P_TABLE = 0xe101_0000
const P2P_COLUMN_BYTES = 128
/** The entry of a chip that no route leads to. */
const P2P_NONE = 6

/** A booted machine. */
export interface MachineInfo {
  readonly version: Version
  /** Chips across and up, dead ones counted. */
  readonly width: number
  readonly height: number
  /** In order of x, then y. */
  readonly chips: readonly ChipInfo[]
  /** Chips that the P2P table has and that did not answer INFO, and why. */
  readonly silent: readonly { readonly x: number; readonly y: number; readonly reason: string }[]
}

/** Asks a booted machine; `onProgress` counts chips. Rejects as `getVersion` and `readMemory`; a chip that fails is listed, not thrown. */
export async function getMachineInfo(pipeline: SCPRequestPipeLine, onProgress?: Progress): Promise<MachineInfo> {
  const version = await getVersion(pipeline)
  const dims = await readMemory(pipeline, { address: SV_P2P_DIMS, length: 2 })
  const [height = 0, width = 0] = dims
  const wanted = await routableChips(pipeline, width, height)
  const chips: ChipInfo[] = []
  const silent: MachineInfo["silent"][number][] = []
  const report = () => onProgress?.(chips.length + silent.length, wanted.length)
  for (const { x, y } of wanted) {
    const fail = (error: Error) => {
      silent.push({ x, y, reason: errorText(error) })
      report()
    }
    await pipeline.sendRequest(
      { command: Command.INFO, destX: x, destY: y },
      (reply) => {
        const info = decodeChipInfo(x, y, reply)
        if (!info) throw new SpinnmanInvalidPacketException("INFO response", `${reply.body.length} bytes`)
        chips.push(info)
        report()
      },
      (_request, error) => fail(error),
    )
  }
  await pipeline.finish()
  chips.sort((a, b) => a.x - b.x || a.y - b.y)
  return { version, width, height, chips, silent }
}

async function routableChips(
  pipeline: SCPRequestPipeLine,
  width: number,
  height: number,
): Promise<{ x: number; y: number }[]> {
  const found: { x: number; y: number }[] = []
  for (let x = 0; x < width; x++) {
    const address = P2P_TABLE + x * P2P_COLUMN_BYTES
    const column = await readMemory(pipeline, { address, length: Math.ceil(height / 8) * 4 })
    const view = new DataView(column.buffer)
    for (let y = 0; y < height; y++) {
      const entry = (view.getUint32((y >> 3) * 4, true) >>> ((y & 7) * 3)) & 7
      if (entry !== P2P_NONE) found.push({ x, y })
    }
  }
  return found
}
