/** INFO: what a chip is and has. Source: spinnaker_tools 4.0.0, cmd_info. */

import { p2pEntry, workingLinks } from "./chip-start.ts"
import { type Answer, type CommandCall, ok } from "./command-call.ts"
import { CORES_PER_CHIP } from "./machine-shape.ts"
import { SV_BASE, Sv } from "./memory-map.ts"

/** Three words, 18 core states, the nearest Ethernet chip and the chip's own IP address. */
const BYTES = 36
/** From 4.0 on, two more: the link toward the root, and zero. */
const BYTES_SINCE_4 = 38

/** Takes no arguments; clients send a bit map that is ignored. */
export function infoCommand({ chip, machine }: CommandCall): Answer {
  const body = new Uint8Array(machine.isSince4 ? BYTES_SINCE_4 : BYTES)
  const view = new DataView(body.buffer)
  const sv = (offset: number): number => chip.memory.readU8(SV_BASE + offset)
  const links = workingLinks(chip, machine.facts.shape)
  const ethernetUp = sv(Sv.ethernetUp) === 0 ? 0 : 1
  view.setUint32(0, (chip.cores & 0x1f) | (links << 8) | (chip.router.largest() << 14) | (ethernetUp << 25), true)
  view.setUint32(4, chip.sdram.largest(), true)
  view.setUint32(8, chip.sysram.largest(), true)
  for (let core = 0; core < CORES_PER_CHIP; core++) body[12 + core] = chip.coreState(core)
  body.set(chip.memory.read(SV_BASE + Sv.ethernetAddress, 2), 30)
  body.set(chip.memory.read(SV_BASE + Sv.ipAddress, 4), 32)
  if (body.length > BYTES) body[36] = p2pEntry(chip, (machine.root.x << 8) | machine.root.y)
  return ok(body)
}
