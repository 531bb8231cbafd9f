/** LINK_READ, LINK_WRITE, LED, REMAP, SROM and SYNC. Source: spinnaker_tools 4.0.0, scamp-cmd.c and spinn_srom.c. */
import { Result, SCP_MAX_DATA } from "../protocol/scp.ts"
import { type Answer, type CommandCall, fail, ok } from "./command-call.ts"
import { CORES_PER_CHIP, LINKS } from "./machine-shape.ts"
import { SV_BASE, Sv } from "./memory-map.ts"

/** arg1 address, arg2 length, arg3 link. Whole words only; a link that is dead answers TIMEOUT. */
export function linkRead({ machine, chip, request }: CommandCall): Answer {
  const { arg1: address, arg2: length, arg3: link } = request
  if (length > SCP_MAX_DATA || link >= LINKS) return fail(Result.ARG)
  const neighbour = machine.neighbour(chip, link)
  if (!neighbour && length >= 4) return fail(Result.TIMEOUT)
  const body = new Uint8Array(length)
  neighbour?.memory.readInto(body.subarray(0, length - (length % 4)), address - (address % 4))
  return ok(body)
}

/** arg1 address, arg2 length, arg3 link, then the data. */
export function linkWrite({ machine, chip, request }: CommandCall): Answer {
  const { arg1: address, arg2: length, arg3: link, data } = request
  if (length > SCP_MAX_DATA || link >= LINKS) return fail(Result.ARG)
  const neighbour = machine.neighbour(chip, link)
  if (!neighbour && length >= 4) return fail(Result.TIMEOUT)
  const bytes = new Uint8Array(length - (length % 4))
  bytes.set(data.subarray(0, bytes.length))
  neighbour?.memory.write(address - (address % 4), bytes)
  return ok()
}

const LedAction = { none: 0, toggle: 1, off: 2, on: 3 } as const

/** The LED bits after `actions` (two bits a LED). */
export function afterLeds(leds: number, actions: number): number {
  let result = leds
  for (let led = 0; led < 16; led++) {
    const on = 1 << led
    switch ((actions >>> (led * 2)) & 3) {
      case LedAction.toggle:
        result ^= on
        break
      case LedAction.off:
        result &= ~on
        break
      case LedAction.on:
        result |= on
        break
    }
  }
  return result
}

/** arg1 two bits a LED. */
export function ledCommand({ chip, request }: CommandCall): Answer {
  chip.leds = afterLeds(chip.leds, request.arg1)
  return ok()
}

/** arg1 core, bit 0 of arg2: it is a physical number. The core is taken out of use, all others restart. */
export function remapCommand({ machine, chip, request: { arg1: core, arg2: flags } }: CommandCall): Answer {
  if (core > CORES_PER_CHIP) return fail(Result.ARG)
  const physical = flags & 1 ? core : chip.physicalCore(core)
  const virtual = chip.memory.readU8(SV_BASE + Sv.physicalToVirtual + physical)
  if (virtual === 0 || virtual >= chip.cores) return fail(Result.ARG)
  machine.applications.remap(chip, physical)
  return ok()
}

const SROM_WRITE = 0x100

/** arg1 length << 16 | write << 8 | ...: reads of the serial ROM give 0xff, as from an empty one; writes are taken and forgotten. */
export function sromCommand({ request: { arg1 } }: CommandCall): Answer {
  const length = arg1 >>> 16
  if (length > SCP_MAX_DATA) return fail(Result.ARG)
  return arg1 & SROM_WRITE ? ok() : ok(new Uint8Array(length).fill(0xff))
}

/** arg1 0 or 1: whether chips keep their clocks in step. Nothing to see from outside. */
export function syncCommand(): Answer {
  return ok()
}
