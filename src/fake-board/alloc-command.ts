/** ALLOC and RTR: memory and routing entries. Source: spinnaker_tools 4.0.0, cmd_alloc and cmd_rtr. */
import { Result } from "../protocol/scp.ts"
import { type Answer, type CommandCall, fail, ok, okWords } from "./command-call.ts"
import { SV_BASE, Sv } from "./memory-map.ts"

const AllocOp = {
  sdram: 0,
  freeSdram: 1,
  freeSdramOfApp: 2,
  router: 3,
  freeRouter: 4,
  freeRouterOfApp: 5,
  space: 6,
  tagged: 7,
} as const

/** Extra flag "if it has been allocated with this tag and size, give that", which makes repeats harmless. */
const ALLOC_AGAIN = 4

/** arg1 flags << 16 | app << 8 | operation; arg2 and arg3 depend on the operation. */
export function allocCommand({ chip, request }: CommandCall): Answer {
  const { arg1, arg2, arg3 } = request
  const appId = (arg1 >>> 8) & 0xff
  const again = ((arg1 >>> 16) & ALLOC_AGAIN) !== 0
  switch (arg1 & 0xff) {
    case AllocOp.sdram:
      chip.markUsed(appId)
      return okWords(chip.sdram.allocate(arg2, appId, arg3, again))
    case AllocOp.freeSdram:
      chip.sdram.free(arg2)
      return ok()
    case AllocOp.freeSdramOfApp:
      return okWords(chip.sdram.freeApp(appId))
    case AllocOp.router:
      chip.markUsed(appId)
      return okWords(chip.router.allocate(arg2, appId))
    case AllocOp.freeRouter:
      chip.router.free(arg2, arg3 !== 0)
      return ok()
    case AllocOp.freeRouterOfApp:
      return okWords(chip.router.freeApp(appId, arg2 !== 0))
    case AllocOp.space:
      return okWords(chip.sdram.freeBytes, chip.sdram.largest())
    case AllocOp.tagged:
      return okWords(chip.tagged(appId, arg2))
    default:
      return fail(Result.ARG)
  }
}

const RouterOp = { initialise: 0, clear: 1, load: 2, fixedRoute: 3 } as const

/** arg1 count << 16 | app << 8 | operation; the fixed route is read if bit 31 of arg2 is set. */
export function routerCommand({ chip, request }: CommandCall): Answer {
  const { arg1, arg2, arg3 } = request
  const count = arg1 >>> 16
  const appId = (arg1 >>> 8) & 0xff
  switch (arg1 & 0xff) {
    case RouterOp.initialise:
      chip.router.initialise()
      return ok()
    case RouterOp.clear:
      return chip.router.clear(arg2, count) ? ok() : fail(Result.ARG)
    case RouterOp.load:
      return chip.router.load(arg2, count, arg3, appId) ? ok() : fail(Result.ARG)
    case RouterOp.fixedRoute:
      if (arg2 >>> 31) return okWords(chip.memory.readU32(SV_BASE + Sv.fixedRoute))
      chip.memory.writeU32(SV_BASE + Sv.fixedRoute, arg2 & 0x00ff_ffff)
      return ok()
    default:
      return fail(Result.ARG)
  }
}
