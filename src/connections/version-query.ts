/** Asks a board or a BMP what it is. */
import { Command } from "../protocol/scp.ts"
import { decodeVersion, type Version } from "../protocol/version.ts"
import { SpinnmanInvalidPacketException } from "./exceptions.ts"
import type { SCPRequestPipeLine } from "./scp-request-pipeline.ts"

/** Where VER goes: 255,255 for the chip booted from, with `cpu` the board where it is a BMP that is asked. */
export interface VersionPlace {
  readonly x?: number
  readonly y?: number
  readonly cpu?: number
}

/** The version of what answers. Rejects as `SCPRequestPipeLine.request`, and with SpinnmanInvalidPacketException for an answer without a name. */
export async function getVersion(pipeline: SCPRequestPipeLine, place: VersionPlace = {}): Promise<Version> {
  const { x = 255, y = 255, cpu = 0 } = place
  const reply = await pipeline.request({ command: Command.VER, destX: x, destY: y, destCpu: cpu })
  const version = decodeVersion(reply)
  if (version) return version
  throw new SpinnmanInvalidPacketException("VER response", `${reply.body.length} bytes without a name`)
}

/** True for the answer of a BMP. */
export function isBmp(version: Version): boolean {
  return version.name === "BC&MP"
}
