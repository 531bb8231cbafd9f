/** Reads and writes stretches of a board's memory, in blocks of 256 bytes, several of them in flight. */
import { Command, SCP_MAX_DATA } from "../protocol/scp.ts"
import { SpinnmanInvalidPacketException } from "./exceptions.ts"
import { describeRequest, type SCPRequest } from "./scp-connection.ts"
import type { SCPRequestPipeLine } from "./scp-request-pipeline.ts"
import { checkRange } from "./sdp-header.ts"

/** Where memory is, as a core sees it. */
export interface MemoryPlace {
  /** The chip; 255,255 (the one booted from) if not given. */
  readonly x?: number
  readonly y?: number
  /** The core that does the copying, 0 (the monitor) if not given. */
  readonly cpu?: number
  /** First byte's address, 0..0xffffffff. */
  readonly address: number
}

/** Hears how many bytes of how many are done; blocks may end out of order. */
export type Progress = (done: number, total: number) => void

/** How a board is to copy a block: by bytes, half-words or words. */
export const TransferUnit = { byte: 0, half: 1, word: 2 } as const

/** The widest unit that `address` and `length` allow. A board cuts a word transfer to whole words, so it must fit. */
export function transferUnit(address: number, length: number): number {
  const bits = address | length
  return (bits & 3) === 0 ? TransferUnit.word : (bits & 1) === 0 ? TransferUnit.half : TransferUnit.byte
}

/** One block of a stretch; `offset` counts from its first byte. */
export interface MemoryBlock {
  readonly offset: number
  readonly address: number
  readonly length: number
}

/** The blocks of a stretch: a short first one up to the next word where it begins between words, so that all others go by words. */
export function* memoryBlocks(address: number, length: number): Generator<MemoryBlock> {
  for (let offset = 0; offset < length; ) {
    const at = address + offset
    const odd = at & 3
    const most = odd === 0 ? SCP_MAX_DATA : 4 - odd
    const left = length - offset
    // The last few bytes that make no whole word go by themselves.
    const size = left > most ? most : left > 4 ? left & ~3 : left
    yield { offset, address: at, length: size }
    offset += size
  }
}

/**
 * Reads `length` bytes. Throws SpinnmanInvalidParameterException for a stretch outside 32 bits, and rejects with
 * SpinnmanGenericProcessException or SpinnmanGroupedProcessException (see SCPRequestPipeLine) when blocks failed.
 */
export async function readMemory(
  pipeline: SCPRequestPipeLine,
  place: MemoryPlace & { readonly length: number },
  onProgress: Progress = () => {},
): Promise<Uint8Array> {
  checkStretch(place.address, place.length)
  const memory = new Uint8Array(place.length)
  let done = 0
  for (const { offset, address, length } of memoryBlocks(place.address, place.length)) {
    await pipeline.room()
    if (pipeline.failed) break
    const request = requestTo(place, Command.READ, address, length)
    await pipeline.sendRequest(request, ({ body }) => {
      if (body.length !== length) {
        const problem = `${body.length} bytes from ${describeRequest(request)}, expected ${length}`
        throw new SpinnmanInvalidPacketException("READ response", problem)
      }
      memory.set(body, offset)
      done += length
      onProgress(done, place.length)
    })
  }
  await pipeline.finish()
  return memory
}

/** Writes `data`. Throws and rejects as `readMemory`. Blocks that are sent again are written again: for memory, not for device registers. */
export async function writeMemory(
  pipeline: SCPRequestPipeLine,
  place: MemoryPlace & { readonly data: Uint8Array },
  onProgress: Progress = () => {},
): Promise<void> {
  const { data } = place
  checkStretch(place.address, data.length)
  let done = 0
  for (const { offset, address, length } of memoryBlocks(place.address, data.length)) {
    await pipeline.room()
    if (pipeline.failed) break
    const request = requestTo(place, Command.WRITE, address, length)
    await pipeline.sendRequest({ ...request, data: data.subarray(offset, offset + length) }, () => {
      done += length
      onProgress(done, data.length)
    })
  }
  await pipeline.finish()
}

function requestTo(place: MemoryPlace, command: number, address: number, length: number): SCPRequest {
  const { x = 255, y = 255, cpu = 0 } = place
  const unit = transferUnit(address, length)
  return { command, destX: x, destY: y, destCpu: cpu, arg1: address, arg2: length, arg3: unit }
}

function checkStretch(address: number, length: number): void {
  checkRange("address", address, 0xffff_ffff)
  checkRange("length", length, 2 ** 32 - address)
}
