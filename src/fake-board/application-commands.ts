/** Commands about applications: AR, AS, APP_COPY_RUN, SIG, COUNT, NNP, FFD. Source: spinnaker_tools 4.0.0, scamp-cmd.c. */
import { Result } from "../protocol/scp.ts"
import { APLX_ADDRESS } from "./applications.ts"
import { type Answer, type CommandCall, fail, ok, okWords } from "./command-call.ts"
import { SDRAM_BYTES } from "./memory-map.ts"

/** arg1 app << 24 | flags << 18 | cores. */
export function applicationReset({ machine, chip, request }: CommandCall): Answer {
  if (request.arg1 & 1) return fail(Result.ARG)
  machine.applications.start(chip, APLX_ADDRESS, request.arg1)
  return ok()
}

/** arg1 address of the image, arg2 as AR's arg1. */
export function applicationStart({ machine, chip, request }: CommandCall): Answer {
  machine.applications.start(chip, request.arg1, request.arg2)
  return ok()
}

/** Words read over a link per call; a whole megabyte, more than any image. */
const COPY_LIMIT = 1 << 20

/** arg1 link | checksum << 3, arg2 bytes, arg3 as AR's arg1: takes the image that the neighbour has and starts it. */
export function applicationCopyRun({ machine, chip, request }: CommandCall): Answer {
  const { arg1, arg2: bytes, arg3 } = request
  const link = arg1 & 7
  const checksum = arg1 >>> 3
  if (arg3 & 1 || link > 5 || bytes % 4 !== 0) return fail(Result.ARG)
  const neighbour = machine.neighbour(chip, link)
  if (!neighbour || bytes > SDRAM_BYTES) return fail(Result.TIMEOUT)
  const image = neighbour.memory.read(APLX_ADDRESS, Math.min(bytes, COPY_LIMIT))
  const view = new DataView(image.buffer)
  let sum = 0
  for (let at = 0; at < image.length; at += 4) sum = (sum + view.getUint32(at, true)) >>> 0
  chip.memory.write(APLX_ADDRESS, image)
  if (checksum !== 0 && (sum & 0x1fff_ffff) !== checksum) return fail(Result.SUM, sum)
  machine.applications.start(chip, APLX_ADDRESS, arg3)
  return ok()
}

const SignalType = { multicast: 0, pointToPoint: 1, nearestNeighbour: 2 } as const
/** Bit 22 of the data of a point-to-point signal: it counts. */
const COUNT = 1 << 22

/** arg1 type, arg2 data, arg3 mask. Type 1 is the state count that SC&MP had until 4.0. */
export function signalCommand(call: CommandCall): Answer {
  const { machine, chip, request } = call
  switch (request.arg1) {
    case SignalType.multicast:
      if (chip.x !== machine.root.x || chip.y !== machine.root.y) return fail(Result.ARG)
      machine.applications.signal(request.arg2)
      return ok()
    case SignalType.pointToPoint:
      return stateCount(call)
    case SignalType.nearestNeighbour:
      machine.applications.signal(request.arg2)
      return ok()
    default:
      return fail(Result.ARG)
  }
}

const CountOp = { or: 0, and: 1, count: 2 } as const

/** arg2 level << 26 | 1 << 22 | operation << 20 | state << 16 | app mask << 8 | app id; the whole machine is asked. */
function stateCount({ machine, request: { arg2 } }: CommandCall): Answer {
  if (machine.isSince4 || (arg2 & COUNT) === 0) return fail(Result.ARG)
  const state = (arg2 >>> 16) & 15
  const selection = { appId: arg2 & 0xff, appMask: (arg2 >>> 8) & 0xff }
  const { matching, selected } = machine.applications.count(machine.chips(), selection, state)
  switch ((arg2 >>> 20) & 3) {
    case CountOp.or:
      return okWords(matching > 0 ? 1 : 0)
    case CountOp.and:
      return okWords(matching === selected ? 1 : 0)
    default:
      return okWords(matching)
  }
}

/** Milliseconds for which SC&MP collects counts from its board's chips. */
const COUNT_MS = 10

/** arg1 app id, arg2 state: cores of this board. One at a time; a second gets P2P_BUSY. */
export function countCommand({ machine, chip, request }: CommandCall): Answer {
  if (chip.counting) return fail(Result.P2P_BUSY)
  chip.counting = true
  const board = [...machine.chips()].filter((other) => other.board === chip.board)
  const selection = { appId: request.arg1 & 0xff, appMask: 0xff }
  const { matching } = machine.applications.count(board, selection, request.arg2)
  const done = (): void => {
    chip.counting = false
  }
  return { ...okWords(matching), afterMs: COUNT_MS, whenDone: done }
}

/** arg1 key, arg2 data, bit 31 of arg3: choose an identifier. */
export function nearestNeighbourCommand({ machine, request: { arg1, arg2, arg3 } }: CommandCall): Answer {
  machine.nearestNeighbour.broadcast(arg1, arg2, arg3 >>> 31 === 1)
  return ok()
}

/** arg1 fwd << 24 | retry << 16 | id, arg2 block << 16 | (words - 1) << 8, arg3 address, then the data. */
export function floodFillData({ machine, request }: CommandCall): Answer {
  const { arg1, arg2, arg3: address, data } = request
  const words = ((arg2 >>> 8) & 0xff) + 1
  machine.nearestNeighbour.data((arg1 & 0xfe) >> 1, (arg2 >>> 16) & 0xff, words, address, data)
  return ok()
}
