/** `spinnaker-relay board`: a SpiNNaker board, or a machine of many, that isn't there. */
import { appendFileSync, writeFileSync } from "node:fs"
import { isIPv4 } from "node:net"
import { eventJson, eventLine } from "../fake-board/event-lines.ts"
import type { BoardEvent } from "../fake-board/events.ts"
import { FaultOptionError, FaultOptions } from "../fake-board/fault-options.ts"
import type { MachineShape } from "../fake-board/machine-shape.ts"
import { PcapRecording } from "../fake-board/pcap-writer.ts"
import { parsePlacedProgram, parseShape, ShapeOptionError } from "../fake-board/shape-options.ts"
import { UdpBoard, type UdpBoardOptions } from "../fake-board/udp-board.ts"
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
import { untilStopped } from "./stop.ts"

/** The fake board as a command: runs until Ctrl-C or SIGTERM. */
export const boardCommand: Command = {
  name: "board",
  positionals: "",
  summary: "Pretend to be a SpiNNaker board, for trying things without one",
  options: [
    { name: "type", value: "spin3|spin5", default: "spin5", description: "which board to be" },
    {
      name: "boards",
      value: "WxHx3",
      description: "many boards: triads across and up, each board on an address of its own",
    },
    { name: "size", value: "WxH", description: "the same by chips: 12x12 is three boards" },
    {
      name: "listen",
      value: "ADDRESS",
      default: "127.0.0.1",
      description: "IPv4 address of the board, or of the first; the others follow upward",
    },
    { name: "scp-port", value: "PORT", default: "17893", description: "SC&MP's UDP port; 0 takes any free one" },
    {
      name: "boot-port",
      value: "PORT",
      default: "54321",
      description: "the boot ROM's UDP port; 0 takes any free one",
    },
    { name: "bmp", value: "ADDRESS", description: "have a BMP on this IPv4 address, on the same port as SC&MP" },
    { name: "power-on-ms", value: "MS", default: "2000", description: "how long the BMP takes to switch a board on" },
    { name: "powered-off", description: "start without power; the BMP switches it on" },
    { name: "booted", description: "start as a machine that is booted already" },
    { name: "silent-ms", value: "MS", default: "800", description: "silence after a boot" },
    { name: "booting-ms", value: "MS", default: "1500", description: "after it, how long VER says 255,255" },
    { name: "dead-chip", value: "X,Y", repeatable: true, description: "a chip that is dead" },
    { name: "dead-core", value: "X,Y,P", repeatable: true, description: "a core that is dead, by physical number" },
    { name: "dead-link", value: "X,Y,L", repeatable: true, description: "a link that is dead, in both directions" },
    {
      name: "program",
      value: "X,Y,P=NAME",
      repeatable: true,
      description: "run echo or stream (stream:tag=1,rate=100,keys=10) on a core",
    },
    { name: "scamp-version", value: "A.B.C", default: "3.4.1", description: "the SC&MP to be" },
    { name: "pcap", value: "FILE", description: "record all datagrams for Wireshark" },
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
    "spinnaker-relay board --boards 1x1x3 --bmp 127.0.0.9 --program 0,0,5=echo --pcap board.pcap",
  ],
  run: runBoard,
}

async function runBoard(parsed: Parsed, io: CommandIo): Promise<number> {
  const recording = startRecording(parsed)
  const board = await open({
    ...boardOptions(parsed),
    onEvent: eventLog(parsed, io),
    onInternalError: (error) => io.stderr(`internal error, please report: ${(error as Error).stack ?? error}\n`),
    onListenFailed: ({ port }, detail) =>
      io.stderr(`a reverse IP tag wants UDP port ${port}, which cannot be had: ${detail}\n`),
    ...(recording && { onDatagram: (from, to, datagram) => recording.record(from, to, datagram) }),
  })
  const { bmpAddress, hosts } = board.board
  const addresses = {
    scp: formatAddress(board.scp),
    boot: formatAddress(board.boot),
    ...(bmpAddress && { bmp: formatAddress(bmpAddress) }),
    ...(hosts.length > 1 && { hosts }),
  }
  io.stderr(`listening on ${board.describe()}\n`)
  io.stdout(`${JSON.stringify(addresses)}\n`)
  await untilStopped(io)
  board.close()
  recording?.flush()
  return 0
}

function boardOptions(parsed: Parsed): UdpBoardOptions {
  const version = parsed.value("scamp-version") ?? ""
  if (!/^\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(version)) {
    throw new UsageError(`--scamp-version ${JSON.stringify(version)}: expected three numbers such as 3.4.1`)
  }
  const bmp = parsed.value("bmp")
  if (parsed.flag("powered-off") && bmp === undefined) throw new UsageError("--powered-off needs --bmp to switch it on")
  if (parsed.flag("powered-off") && parsed.flag("booted")) {
    throw new UsageError("--powered-off and --booted exclude each other")
  }
  return {
    shape: shape(parsed),
    host: ipv4(parsed, "listen"),
    scpPort: port(parsed, "scp-port"),
    bootPort: port(parsed, "boot-port"),
    booted: parsed.flag("booted"),
    poweredOff: parsed.flag("powered-off"),
    silentMs: numberOption(parsed, "silent-ms", { min: 0, max: 600_000 }),
    bootingMs: numberOption(parsed, "booting-ms", { min: 0, max: 600_000 }),
    bootGapMs: numberOption(parsed, "boot-gap", { min: 0, max: 60_000 }),
    seed: numberOption(parsed, "seed", { min: 0, max: 0xffff_ffff, integer: true }),
    faults: faults(parsed),
    programs: asUsage(() => parsed.values("program").map(parsePlacedProgram)),
    version: { version, buildTime: BUILD_TIME },
    unixTime: Math.floor(Date.now() / 1000),
    ...(bmp !== undefined && {
      bmp: { host: ipv4(parsed, "bmp"), powerOnMs: numberOption(parsed, "power-on-ms", { min: 0, max: 60_000 }) },
    }),
  }
}

/** Build time that VER tells, in Unix seconds: the captures'. */
const BUILD_TIME = 1_539_000_000

function shape(parsed: Parsed): MachineShape {
  return asUsage(() =>
    parseShape({
      type: choiceOption(parsed, "type", ["spin3", "spin5"]),
      boards: parsed.value("boards"),
      size: parsed.value("size"),
      deadChips: parsed.values("dead-chip"),
      deadCores: parsed.values("dead-core"),
      deadLinks: parsed.values("dead-link"),
    }),
  )
}

function ipv4(parsed: Parsed, name: string): string {
  const host = parsed.value(name) ?? ""
  if (!isIPv4(host))
    throw new UsageError(`--${name} ${JSON.stringify(host)}: expected an IPv4 address; boards have no other`)
  return host
}

function startRecording(parsed: Parsed): PcapRecording | undefined {
  const file = parsed.value("pcap")
  if (file === undefined) return undefined
  try {
    writeFileSync(file, "")
  } catch (error) {
    throw new CliError(`Cannot write the recording to ${file}: ${(error as Error).message}`, 1, { cause: error })
  }
  return new PcapRecording((bytes) => appendFileSync(file, bytes))
}

async function open(options: UdpBoardOptions): Promise<UdpBoard> {
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

/** Turns what is wrong with an option's value into a mistake of whoever typed it. */
function asUsage<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof FaultOptionError || error instanceof ShapeOptionError || error instanceof RangeError) {
      throw new UsageError(error.message, { cause: error })
    }
    throw error
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
  return asUsage(() => {
    for (const text of parsed.values("drop")) options.number("drop", text)
    for (const text of parsed.values("duplicate")) options.number("duplicate", text)
    for (const text of parsed.values("delay")) options.number("delayMs", text)
    for (const text of parsed.values("jitter")) options.number("jitterMs", text)
    for (const text of parsed.values("drop-list")) options.dropList(text)
    return options.faults
  })
}

const port = (parsed: Parsed, name: string): number =>
  numberOption(parsed, name, { min: 0, max: 65_535, integer: true })
