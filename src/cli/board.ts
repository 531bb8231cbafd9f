/** `spinnaker-relay board`: a SpiNNaker board that isn't there. */
import { eventJson, eventLine } from "../fake-board/event-lines.ts"
import type { BoardEvent } from "../fake-board/events.ts"
import { FaultOptionError, FaultOptions } from "../fake-board/fault-options.ts"
import { UdpBoard } from "../fake-board/udp-board.ts"
import { formatAddress } from "../transport/address.ts"
import {
  CliError,
  type Command,
  type CommandIo,
  choiceOption,
  numberOption,
  type Parsed,
  UsageError,
} from "./command.ts"

/** The fake board as a command: runs until Ctrl-C or SIGTERM. */
export const boardCommand: Command = {
  name: "board",
  positionals: "",
  summary: "Pretend to be a SpiNNaker board, for trying things without one",
  options: [
    { name: "type", value: "spin3|spin5", default: "spin5", description: "which board to be" },
    { name: "listen", value: "ADDRESS", default: "127.0.0.1", description: "the board's IP address" },
    { name: "scp-port", value: "PORT", default: "17893", description: "SC&MP's UDP port; 0 takes any free one" },
    {
      name: "boot-port",
      value: "PORT",
      default: "54321",
      description: "the boot ROM's UDP port; 0 takes any free one",
    },
    { name: "booted", description: "start as a machine that is booted already" },
    { name: "silent-ms", value: "MS", default: "800", description: "silence after a boot" },
    { name: "booting-ms", value: "MS", default: "1500", description: "after it, how long VER says 255,255" },
    {
      name: "drop",
      value: "P",
      repeatable: true,
      description: "chance of loss, 0..1; boot=P, scp=P (requests) or reply=P for one path",
    },
    { name: "duplicate", value: "P", repeatable: true, description: "chance of a second copy; paths as with --drop" },
    { name: "delay", value: "MS", repeatable: true, description: "delay of every datagram; paths as with --drop" },
    { name: "jitter", value: "MS", repeatable: true, description: "up to so much more delay; paths as with --drop" },
    {
      name: "drop-list",
      value: "N,N",
      repeatable: true,
      description: "lose exactly these datagrams, counted from 1 on each path; boot=3,21 for one path",
    },
    {
      name: "boot-gap",
      value: "MS",
      default: "0",
      description: "the ROM misses datagrams sooner than this after the last it took",
    },
    { name: "seed", value: "N", default: "1", description: "of the faults' randomness" },
    { name: "log-format", value: "pretty|json", default: "pretty", description: "of the log on standard error" },
    { name: "verbose", short: "v", description: "also log every command, block and lost datagram" },
  ],
  examples: [
    "spinnaker-relay board",
    "spinnaker-relay board --listen 127.0.0.7 --drop boot=0.05 --seed 7",
    "spinnaker-relay board --booted --scp-port 0 --boot-port 0",
  ],
  run: runBoard,
}

async function runBoard(parsed: Parsed, io: CommandIo): Promise<number> {
  choiceOption(parsed, "type", ["spin3", "spin5"])
  const host = parsed.value("listen") ?? ""
  const log = eventLog(parsed, io)
  const board = await open({
    host,
    scpPort: port(parsed, "scp-port"),
    bootPort: port(parsed, "boot-port"),
    booted: parsed.flag("booted"),
    silentMs: numberOption(parsed, "silent-ms", { min: 0, max: 600_000 }),
    bootingMs: numberOption(parsed, "booting-ms", { min: 0, max: 600_000 }),
    bootGapMs: numberOption(parsed, "boot-gap", { min: 0, max: 60_000 }),
    seed: numberOption(parsed, "seed", { min: 0, max: 0xffff_ffff, integer: true }),
    faults: faults(parsed),
    onEvent: log,
  })
  io.stderr(`listening on ${board.describe()}\n`)
  io.stdout(`${JSON.stringify({ scp: formatAddress(board.scp), boot: formatAddress(board.boot) })}\n`)
  await stopped(io.stop)
  board.close()
  return 0
}

async function open(options: Parameters<typeof UdpBoard.open>[0] & object): Promise<UdpBoard> {
  try {
    return await UdpBoard.open(options)
  } catch (error) {
    const { code = "", message = "" } = error as { code?: string; message?: string }
    const where = `${options.host} UDP ports ${options.scpPort} and ${options.bootPort}`
    throw new CliError(
      `The board cannot listen on ${where}: ${code || message}. Choose others with --listen, --scp-port and --boot-port (0 = any free).`,
      1,
      { cause: error },
    )
  }
}

function eventLog(parsed: Parsed, io: CommandIo): (event: BoardEvent) => void {
  const format = choiceOption(parsed, "log-format", ["pretty", "json"])
  const verbose = parsed.flag("verbose")
  return (event) => {
    const line = eventLine(event, verbose)
    if (line !== undefined) io.stderr(`${format === "json" ? eventJson(event, Date.now()) : line}\n`)
  }
}

function faults(parsed: Parsed): FaultOptions["faults"] {
  const options = new FaultOptions()
  try {
    for (const text of parsed.values("drop")) options.number("drop", text)
    for (const text of parsed.values("duplicate")) options.number("duplicate", text)
    for (const text of parsed.values("delay")) options.number("delayMs", text)
    for (const text of parsed.values("jitter")) options.number("jitterMs", text)
    for (const text of parsed.values("drop-list")) options.dropList(text)
  } catch (error) {
    if (error instanceof FaultOptionError) throw new UsageError(error.message, { cause: error })
    throw error
  }
  return options.faults
}

const port = (parsed: Parsed, name: string): number =>
  numberOption(parsed, name, { min: 0, max: 65_535, integer: true })

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener("abort", () => resolve(), { once: true })
  })
}
