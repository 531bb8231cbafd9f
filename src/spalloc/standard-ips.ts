/** Addresses of boards and BMPs that follow from their places. Source: the spalloc facts §15. */
import { isIPv4 } from "node:net"
import type { PhysicalPlace } from "./types.ts"

/** The first address, and how far the next cabinet, frame and board are; as numbers of 32 bits. */
export interface StandardIps {
  readonly base: number
  readonly cabinetStride: number
  readonly frameStride: number
  readonly boardStride: number
  readonly bmpOffset: number
  readonly spinnakerOffset: number
}

/** What racks from Manchester have. */
export const STANDARD_IPS: StandardIps = {
  base: parseIp("192.168.0.0"),
  cabinetStride: parseIp("0.0.5.0"),
  frameStride: parseIp("0.0.1.0"),
  boardStride: parseIp("0.0.0.8"),
  bmpOffset: parseIp("0.0.0.0"),
  spinnakerOffset: parseIp("0.0.0.1"),
}

/** The number that a dotted address is; a RangeError if it is none. */
export function parseIp(text: string): number {
  if (!isIPv4(text)) throw new RangeError(`expected an IPv4 address such as 192.168.0.0`)
  return text.split(".").reduce((number, part) => number * 256 + Number(part), 0)
}

/** Address of the frame's BMP. */
export function bmpAddress(ips: StandardIps, cabinet: number, frame: number): string {
  return formatIp(ips.base + cabinet * ips.cabinetStride + frame * ips.frameStride + ips.bmpOffset)
}

/** Address of the board's Ethernet chip. */
export function boardAddress(ips: StandardIps, [cabinet, frame, board]: PhysicalPlace): string {
  const start = ips.base + cabinet * ips.cabinetStride + frame * ips.frameStride
  return formatIp(start + board * ips.boardStride + ips.spinnakerOffset)
}

function formatIp(number: number): string {
  if (number > 0xffffffff) throw new RangeError("the standard addresses run beyond 255.255.255.255")
  return [24, 16, 8, 0].map((bits) => Math.floor(number / 2 ** bits) % 256).join(".")
}
