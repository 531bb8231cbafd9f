/** SARK, the library under every application: what it answers on port 0 of a core. Source: spinnaker_tools 4.0.0, sark_debug. */
import { Command, decodeScpRequest, Result } from "../protocol/scp.ts"
import type { Chip } from "./chip.ts"
import { type Answer, fail, ok } from "./command-call.ts"
import type { Machine } from "./machine.ts"
import { fillCommand, readCommand, writeCommand } from "./memory-commands.ts"
import { versionBody } from "./version-text.ts"

/** What SARK calls itself. */
export const SARK_NAME = "SARK/SpiNNaker"

/** The answer to a message for port 0 of application core `core`, and the command that it held. */
export function sarkAnswer(
  machine: Machine,
  chip: Chip,
  core: number,
  datagram: Uint8Array,
): { answer: Answer; command: number } {
  const request = decodeScpRequest(datagram)
  if (!request) return { answer: fail(Result.LEN), command: -1 }
  const { command } = request
  switch (command) {
    case Command.VER: {
      const identity = chip.address * 0x10000 + chip.physicalCore(core) * 0x100 + core
      return { answer: ok(versionBody({ identity, name: SARK_NAME, ...machine.version })), command }
    }
    case Command.READ:
      return { answer: readCommand(chip.memoryOf(core, request.arg1), request), command }
    case Command.WRITE:
      return { answer: writeCommand(chip.memoryOf(core, request.arg1), request), command }
    case Command.FILL:
      return { answer: fillCommand(chip.memoryOf(core, request.arg1), request), command }
    default:
      return { answer: fail(Result.CMD), command }
  }
}
