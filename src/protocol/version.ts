/** The reply to VER: who answers, on which chip, which software. Source: spinnaker_tools 4.0.0, cmd_ver. */
import type { ScpReply } from "./scp.ts"

/** What a VER reply says. */
export interface Version {
  /** Chip coordinates; 255,255 until network and Ethernet initialisation are both done. For a BMP: code block and frame. */
  x: number
  y: number
  physicalCpu: number
  /** Virtual CPU; the board number for a BMP. */
  virtualCpu: number
  /** Most data bytes in one SCP message, 256. */
  bufferSize: number
  /** Unix time of the software's build, seconds. */
  buildTime: number
  /** "SC&MP", "SARK" or "BC&MP". */
  name: string
  /** "SpiNNaker" or "Spin5-BMP". */
  hardware: string
  /** "3.4.1", or "1.33" in the old two-part style. */
  version: string
}

/** True while the machine is up but has not finished its network initialisation: SC&MP answers, with coordinates 255,255. */
export function isBooting(version: Version): boolean {
  return version.x === 255 && version.y === 255
}

/** "SC&MP 4.0.0 on SpiNNaker" for logs. */
export function describeVersion(version: Version): string {
  return `${version.name} ${version.version} on ${version.hardware}`
}

/** The version in a VER reply's body; undefined if it is too short or has no name. */
export function decodeVersion(reply: ScpReply): Version | undefined {
  const body = reply.body
  if (body.length < 13) return undefined
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const arg1 = view.getUint32(0, true)
  const arg2 = view.getUint32(4, true)
  const texts = new TextDecoder("latin1").decode(body.subarray(12)).split("\0")
  const [name, hardware] = (texts[0] ?? "").split("/")
  if (!name) return undefined
  const number = arg2 >>> 16
  const old = `${Math.floor(number / 100)}.${String(number % 100).padStart(2, "0")}`
  return {
    x: arg1 >>> 24,
    y: (arg1 >>> 16) & 0xff,
    physicalCpu: (arg1 >>> 8) & 0xff,
    virtualCpu: arg1 & 0xff,
    bufferSize: arg2 & 0xffff,
    buildTime: view.getUint32(8, true),
    name,
    hardware: hardware ?? "",
    version: number === 0xffff ? (texts[1] ?? "") : old,
  }
}
