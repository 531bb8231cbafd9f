/** SC&MP's commands as a table keyed by code. Source: spinnaker_tools 4.0.0, scamp-cmd.c. */
import { Command, Result } from "../protocol/scp.ts"
import { type CommandHandler, fail, ok } from "./command-call.ts"
import { fillCommand, readCommand, writeCommand } from "./memory-commands.ts"
import { versionBody } from "./version-text.ts"

/** What this SC&MP calls itself; the version is the one in the captures. */
export const SCAMP_VERSION = { name: "SC&MP/SpiNNaker", version: "3.4.1", buildTime: 1_539_000_000 } as const

const version: CommandHandler = ({ chip, networkUp }) => {
  // Monitor: virtual core 0 on physical core 0 here; on real chips the physical one differs from chip to chip.
  const address = networkUp ? chip.address : 0xffff
  return ok(versionBody({ identity: address * 0x10000, ...SCAMP_VERSION }))
}

/** Who executes what; any other code is answered CMD. */
export const scampCommands: ReadonlyMap<number, CommandHandler> = new Map<number, CommandHandler>([
  [Command.VER, version],
  [Command.READ, ({ chip, request }) => readCommand(chip.memory, request)],
  [Command.WRITE, ({ chip, request }) => writeCommand(chip.memory, request)],
  [Command.FILL, ({ chip, request }) => fillCommand(chip.memory, request)],
])

/** The answer to a code that is not in the table. */
export const unknownCommand: CommandHandler = () => fail(Result.CMD)
