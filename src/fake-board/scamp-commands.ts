/** SC&MP's commands as a table keyed by code. Source: spinnaker_tools 4.0.0, scamp_debug in scamp-cmd.c. */
import { Command, Result } from "../protocol/scp.ts"
import { allocCommand, routerCommand } from "./alloc-command.ts"
import {
  applicationCopyRun,
  applicationReset,
  applicationStart,
  countCommand,
  floodFillData,
  nearestNeighbourCommand,
  signalCommand,
} from "./application-commands.ts"
import { type CommandHandler, fail, ok } from "./command-call.ts"
import { ledCommand, linkRead, linkWrite, remapCommand, sromCommand, syncCommand } from "./hardware-commands.ts"
import { infoCommand } from "./info-command.ts"
import { iptagCommand } from "./ip-tag-command.ts"
import { fillCommand, readCommand, writeCommand } from "./memory-commands.ts"
import { versionBody } from "./version-text.ts"

/** What SC&MP calls itself. */
export const SCAMP_NAME = "SC&MP/SpiNNaker"

const version: CommandHandler = ({ chip, machine }) => {
  const address = machine.outside.networkUp() ? chip.address : 0xffff
  const identity = address * 0x10000 + chip.physicalCore(0) * 0x100
  return ok(versionBody({ identity, name: SCAMP_NAME, ...machine.version }))
}

const iptag: CommandHandler = ({ chip, machine, request, sourceHost }) => {
  const { clock } = machine.outside
  const answer = iptagCommand({ tags: chip.tags, request, sourceHost, now: clock.now() })
  // Chips without Ethernet have a tag table too, which leads nowhere.
  if (chip.host !== undefined) machine.outside.listen(chip.board, chip.tags.listeningPorts(clock.now()))
  return answer
}

/** Who executes what; any other code is answered CMD. */
export const scampCommands: ReadonlyMap<number, CommandHandler> = new Map<number, CommandHandler>([
  [Command.VER, version],
  [Command.READ, ({ chip, request }) => readCommand(chip.memory, request)],
  [Command.WRITE, ({ chip, request }) => writeCommand(chip.memory, request)],
  [Command.FILL, ({ chip, request }) => fillCommand(chip.memory, request)],
  [Command.COUNT, countCommand],
  [Command.REMAP, remapCommand],
  [Command.LINK_READ, linkRead],
  [Command.LINK_WRITE, linkWrite],
  [Command.AR, applicationReset],
  [Command.NNP, nearestNeighbourCommand],
  [Command.APP_COPY_RUN, applicationCopyRun],
  [Command.SIG, signalCommand],
  [Command.FFD, floodFillData],
  [Command.AS, applicationStart],
  [Command.LED, ledCommand],
  [Command.IPTAG, iptag],
  [Command.SROM, sromCommand],
  [Command.ALLOC, allocCommand],
  [Command.RTR, routerCommand],
  [Command.INFO, infoCommand],
  [Command.SYNC, syncCommand],
])

/** The answer to a code that is not in the table. */
export const unknownCommand: CommandHandler = () => fail(Result.CMD)
