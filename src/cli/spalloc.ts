/** `spinnaker-relay spalloc`: the partition server, over a laboratory's boards or over fake ones. */

import { mkdirSync } from "node:fs"
import { isIPv4 } from "node:net"
import { dirname } from "node:path"
import { BmpPower } from "../spalloc/bmp-power.ts"
import type { ServerSettings, SpallocConfig } from "../spalloc/config.ts"
import { spallocControlAnswers } from "../spalloc/control.ts"
import { Controller } from "../spalloc/controller.ts"
import { FAKE_TIMING, FakeLab, MAX_FAKE_TRIADS } from "../spalloc/fake-lab.ts"
import { readSpallocConfig } from "../spalloc/read-config.ts"
import { SpallocServer } from "../spalloc/server.ts"
import { type SpallocEvent, spallocLine } from "../spalloc/spalloc-events.ts"
import { formatAddress } from "../transport/address.ts"
import { systemClock } from "../transport/clock.ts"
import { ControlListenError, ControlListener } from "../transport/control-listener.ts"
import { CliError, type Command, type CommandIo, numberOption, type Parsed, UsageError } from "./command.ts"
import { readFile } from "./files.ts"
import { LOG_OPTIONS, logFrom } from "./log-options.ts"
import { STATE_OPTION, spallocControlAddress, spallocState } from "./spalloc-state.ts"
import { untilStopped } from "./stop.ts"
import { counted } from "./table.ts"
import { allowList } from "./target.ts"

export const spallocCommand: Command = {
  name: "spalloc",
  positionals: "",
  summary: "Share boards out: a spalloc v1 server for a laboratory, or for fake boards",
  options: [
    { name: "config", value: "FILE", description: "The machines and settings: TOML, or the Java server's JSON" },
    { name: "check", description: "Only read the configuration, and say what is wrong with it" },
    { name: "fake", value: "WxH", description: "Have a fake laboratory of WxH triads (3 boards each) on loopback" },
    {
      name: "fake-address",
      value: "ADDRESS",
      default: "127.22.0.0",
      description: "With --fake: loopback address of the first BMP; boards follow upward",
    },
    STATE_OPTION,
    { name: "listen", value: "ADDRESS", description: "Listen here instead of where the configuration says" },
    { name: "port", value: "PORT", description: "TCP port instead of the configuration's; 0 takes any free one" },
    {
      name: "allow",
      value: "NETWORK",
      repeatable: true,
      description: "Let only these addresses in, such as 192.0.2.0/24, instead of the configuration's (repeatable)",
    },
    ...LOG_OPTIONS,
  ],
  examples: [
    "spinnaker-relay spalloc --fake 3x2",
    "spinnaker-relay spalloc --config lab.toml --check",
    "spinnaker-relay spalloc --config lab.toml --listen 0.0.0.0 --allow 192.0.2.0/24",
  ],
  run: runSpalloc,
}

async function runSpalloc(parsed: Parsed, io: CommandIo): Promise<number> {
  const file = parsed.value("config")
  const fake = parsed.value("fake")
  if ((file === undefined) === (fake === undefined)) {
    throw new UsageError(
      file === undefined
        ? "give --config FILE, or --fake 3x2 for a laboratory that isn't there"
        : "--config and --fake exclude each other",
    )
  }
  if (parsed.flag("check")) return check(parsed, io, file)
  const log = logFrom(parsed, io)
  const onEvent = (event: SpallocEvent): void => {
    const { level, text } = spallocLine(event)
    log.line(level, text, event)
  }
  const lab = fake === undefined ? undefined : await openLab(parsed, fake)
  const config = override(parsed, lab?.config ?? (await load(file!)))
  const power = new BmpPower({
    clock: systemClock,
    random: Math.random,
    onEvent,
    ...(lab && { timing: FAKE_TIMING }),
  })
  let server: SpallocServer
  let control: ControlListener | undefined
  try {
    const state = lab !== undefined && parsed.value("state") === undefined ? ":memory:" : spallocState(parsed, io)
    server = openServer(state, config, power, onEvent)
    control = openControl(state, server, onEvent)
  } catch (error) {
    lab?.close()
    throw error
  }
  power.probe(bmpsOf(config))
  io.stdout(`${JSON.stringify({ spalloc: formatAddress(server.address) })}\n`)
  io.onHangUp?.(() => void reload())
  await untilStopped(io)
  control?.close()
  power.close()
  server.close()
  lab?.close()
  return 0

  async function reload(): Promise<void> {
    if (file === undefined) {
      onEvent({ type: "reload-failed", detail: "a fake laboratory has no configuration file" })
      return
    }
    try {
      const next = override(parsed, await load(file))
      const lines = server.reload(next)
      for (const detail of lines.length > 0 ? lines : ["nothing about the machines has changed"]) {
        onEvent({ type: "reloaded", detail })
      }
      power.probe(bmpsOf(next))
    } catch (error) {
      onEvent({ type: "reload-failed", detail: (error as Error).message })
    }
  }
}

async function check(parsed: Parsed, io: CommandIo, file: string | undefined): Promise<number> {
  if (file === undefined) throw new UsageError("--check needs --config FILE")
  const { machines } = override(parsed, await load(file))
  const boards = machines.reduce((sum, machine) => sum + machine.boards.length, 0)
  const said = [
    counted(machines.length, "machine"),
    counted(boards, "board"),
    counted(bmpsOf({ machines }).length, "BMP"),
  ]
  io.stdout(`${file} is right: ${said.join(", ")}\n`)
  return 0
}

/** Reads a configuration; throws CliError with a line for each mistake. */
async function load(file: string): Promise<SpallocConfig> {
  const bytes = await readFile(file)
  const read = readSpallocConfig(new TextDecoder().decode(bytes), file)
  if (read.ok) return read.config
  throw new CliError(read.complaints)
}

/** What the command line says instead of the file. */
function override(parsed: Parsed, config: SpallocConfig): SpallocConfig {
  const listen = parsed.value("listen")
  const port = parsed.value("port") === undefined ? undefined : numberOption(parsed, "port", PORTS)
  const allow = parsed.values("allow")
  allowList(allow)
  const settings: ServerSettings = {
    ...config.settings,
    ...(listen !== undefined && { listen }),
    ...(port !== undefined && { port }),
    ...(allow.length > 0 && { allow }),
  }
  return { ...config, settings }
}

const PORTS = { min: 0, max: 65_535, integer: true }

function bmpsOf({ machines }: Pick<SpallocConfig, "machines">): string[] {
  return [...new Set(machines.flatMap(({ bmps }) => bmps.map(({ host }) => host)))]
}

async function openLab(parsed: Parsed, size: string): Promise<FakeLab> {
  const match = /^(\d{1,3})x(\d{1,3})$/.exec(size)
  const [width, height] = [Number(match?.[1]), Number(match?.[2])]
  if (!(width >= 1 && height >= 1 && width * height <= MAX_FAKE_TRIADS)) {
    throw new UsageError(`--fake ${JSON.stringify(size)}: expected triads such as 3x2, at most ${MAX_FAKE_TRIADS}`)
  }
  const base = parsed.value("fake-address") ?? ""
  if (!isIPv4(base) || !base.startsWith("127.")) {
    throw new UsageError(`--fake-address ${JSON.stringify(base)}: expected an address such as 127.22.0.0`)
  }
  try {
    return await FakeLab.open({ width, height, base, clock: systemClock })
  } catch (error) {
    const code = (error as { code?: string }).code ?? (error as Error).message
    const why =
      code === "EADDRNOTAVAIL"
        ? "this system has no loopback addresses but 127.0.0.1, and a fake laboratory needs one for each board; use Linux, or give the addresses to lo0 first"
        : code === "EADDRINUSE"
          ? "another program has UDP port 17893 or 54321 there; end it, or choose other addresses with --fake-address 127.23.0.0"
          : code
    throw new CliError(`The fake laboratory cannot have its addresses from ${base} on: ${why}.`, 1, { cause: error })
  }
}

/** The endpoint for the operator; a server that cannot have one serves all the same. */
function openControl(
  state: string,
  server: SpallocServer,
  onEvent: (event: SpallocEvent) => void,
): ControlListener | undefined {
  if (state === ":memory:") return undefined
  const address = spallocControlAddress(state)
  try {
    return new ControlListener({ address, clock: systemClock, onRequest: spallocControlAnswers(server) })
  } catch (error) {
    if (!(error instanceof ControlListenError)) throw error
    onEvent({ type: "no-control", detail: error.message })
    return undefined
  }
}

function openServer(
  state: string,
  config: SpallocConfig,
  power: BmpPower,
  onEvent: (event: SpallocEvent) => void,
): SpallocServer {
  let controller: Controller
  try {
    if (state !== ":memory:") mkdirSync(dirname(state), { recursive: true })
    controller = new Controller({ config, state, clock: systemClock, onEvent })
  } catch (error) {
    throw new CliError(
      `The state ${state} cannot be opened: ${(error as Error).message}. Choose another place with --state.`,
      1,
      { cause: error },
    )
  }
  try {
    return new SpallocServer({ controller, power, clock: systemClock, onEvent })
  } catch (error) {
    controller.close()
    const { listen, port } = config.settings
    const code = (error as { code?: string }).code ?? (error as Error).message
    const why = code === "EADDRINUSE" ? "another program has that port" : code
    const where = formatAddress({ host: listen, port })
    throw new CliError(`Cannot listen on TCP ${where}: ${why}. Choose another with --listen and --port.`, 1, {
      cause: error,
    })
  }
}
