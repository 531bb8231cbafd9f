/** `spinnaker-relay lucidac fake`: LUCIDACs that aren't there. */
import { isIP } from "node:net"
import { ARM } from "../lucidac/arm.ts"
import type { FakeJsonServerOptions } from "../lucidac/fake-json-server.ts"
import { DEATHS, FAKE_BUFFER_BYTES, fakeMac } from "../lucidac/fake-options.ts"
import type { FakeServerOptions } from "../lucidac/fake-server.ts"
import { type Address, formatAddress } from "../transport/address.ts"
import { systemClock } from "../transport/clock.ts"
import {
  CliError,
  type Command,
  type CommandIo,
  choiceOption,
  numberOption,
  type Parsed,
  UsageError,
} from "./command.ts"
import { parseSize } from "./numbers.ts"
import { untilStopped } from "./stop.ts"

/** A stack of REDACs has fewer. */
const MAX_CARRIERS = 64

/** The fake devices as a command: run until Ctrl-C or SIGTERM. */
export const lucidacFakeCommand: Command = {
  name: "lucidac fake",
  positionals: "",
  summary: "Pretend to be LUCIDAC analog computers, for trying things without one",
  options: [
    { name: "carriers", value: "N", default: "1", description: "so many devices, each on a port of its own" },
    { name: "json", description: "be of the older generation, with JSON lines instead of protobuf" },
    { name: "nested", description: "one device with all carriers in it instead" },
    { name: "listen", short: "l", value: "ADDRESS", default: "127.0.0.1", description: "IP address of the devices" },
    {
      name: "port",
      short: "p",
      value: "PORT",
      default: "5732",
      description: "TCP port of the first, the others follow upward; 0 takes any free ones",
    },
    { name: "no-udp", description: "refuse to send samples by UDP; they come over TCP" },
    { name: "states-over-tcp", description: "send state changes over TCP even where samples go by UDP" },
    { name: "rate", value: "HZ", description: "samples a second on each channel, whatever the client asks for" },
    {
      name: "buffer",
      value: "BYTES",
      default: `${FAKE_BUFFER_BYTES >> 10}K`,
      description: "samples that wait for a slow client; then the run ends in a DMA overflow",
    },
    {
      name: "refuse",
      value: "KIND",
      repeatable: true,
      description: "answer such requests with an error: reset, config ...",
    },
    { name: "ignore", value: "KIND", repeatable: true, description: "never answer such requests" },
    { name: "fail-runs", value: "TEXT", description: "every run ends in ERROR with this text" },
    { name: "hang-runs", description: "no run ends by itself" },
    { name: "die-at", value: "MOMENT", description: `be gone once this happens: ${DEATHS.join(", ")}` },
    { name: "die-after", value: "MS", description: "be gone after so long" },
    { name: "back-after", value: "MS", description: "having died, be there again after so long" },
    { name: "verbose", short: "v", description: "log every request" },
  ],
  examples: [
    "spinnaker-relay lucidac fake",
    "spinnaker-relay lucidac fake --carriers 4 --port 6000 --rate 500000",
    "spinnaker-relay lucidac fake --no-udp --die-at op --back-after 2000",
  ],
  run: runFakes,
}

async function runFakes(parsed: Parsed, io: CommandIo): Promise<number> {
  const servers: Fake[] = []
  try {
    if (parsed.flag("json")) for (const each of jsonOptions(parsed, io)) servers.push(await open(each, openJson))
    else for (const each of fakeOptions(parsed, io)) servers.push(await open(each, openProtobuf))
    const addresses = servers.map(({ address }) => formatAddress(address))
    for (const { device, address } of servers)
      io.stderr(`listening on ${formatAddress(address)} as ${device.macs.join(", ")}\n`)
    io.stdout(`${JSON.stringify({ devices: addresses })}\n`)
    const dieAfterMs = milliseconds(parsed, "die-after")
    const timer =
      dieAfterMs === undefined
        ? undefined
        : systemClock.after(dieAfterMs, () => {
            for (const { device } of servers) device.die()
          })
    await untilStopped(io)
    timer?.cancel()
  } finally {
    for (const server of servers) server.close()
  }
  return 0
}

/** A device on its port, of either generation. */
interface Fake {
  readonly address: Address
  readonly device: { readonly macs: readonly string[]; die(): void }
  close(): void
}

/** One set of options for each device. */
function fakeOptions(parsed: Parsed, io: CommandIo): FakeServerOptions[] {
  const carriers = carrierCount(parsed)
  const nested = parsed.flag("nested")
  const kinds = (name: string) => parsed.values(name).map((kind) => kindOf(name, kind))
  const refuse = new Map(kinds("refuse").map((arm) => [arm, REFUSAL]))
  const ignore = new Set(kinds("ignore"))
  return commonOptions(parsed, io, nested ? 1 : carriers).map((common, index) => ({
    ...common,
    macs: nested ? Array.from({ length: carriers }, (_, carrier) => fakeMac(carrier)) : [fakeMac(index)],
    nested,
    udp: !parsed.flag("no-udp"),
    statesOverTcp: parsed.flag("states-over-tcp"),
    refuse,
    ignore,
  }))
}

/** The same for the older generation, whose devices have one carrier and no UDP. */
function jsonOptions(parsed: Parsed, io: CommandIo): FakeJsonServerOptions[] {
  for (const name of ["nested", "states-over-tcp"]) {
    if (parsed.flag(name)) throw new UsageError(`--${name} does not go with --json`)
  }
  const refuse = new Map(parsed.values("refuse").map((type) => [type, REFUSAL]))
  const ignore = new Set(parsed.values("ignore"))
  return commonOptions(parsed, io, carrierCount(parsed)).map((common, index) => ({
    ...common,
    mac: fakeMac(index),
    refuse,
    ignore,
  }))
}

/** What all devices have in common, one for each. */
function commonOptions(parsed: Parsed, io: CommandIo, devices: number) {
  const host = parsed.value("listen") ?? ""
  if (isIP(host) === 0) throw new UsageError(`--listen ${JSON.stringify(host)}: expected an IP address`)
  const first = numberOption(parsed, "port", { min: 0, max: 65_536 - devices, integer: true })
  const rate = parsed.value("rate") === undefined ? undefined : numberOption(parsed, "rate", { min: 1, max: 1_000_000 })
  const bufferBytes = parseSize("--buffer", parsed.value("buffer") ?? "", { min: 0, max: 1 << 30 })
  const backAfterMs = milliseconds(parsed, "back-after")
  return Array.from({ length: devices }, (_, index) => ({
    address: { host, port: first === 0 ? 0 : first + index },
    rate,
    bufferBytes,
    failRuns: parsed.value("fail-runs"),
    hangRuns: parsed.flag("hang-runs"),
    dieAt: parsed.value("die-at") === undefined ? undefined : choiceOption(parsed, "die-at", DEATHS),
    ...(backAfterMs !== undefined && { backAfterMs }),
    ...(parsed.flag("verbose") && {
      onRequest: (name: string, peer: string) => io.stderr(`${fakeMac(index)}: ${name} from ${peer}\n`),
    }),
    onGone: (forMs = backAfterMs) => {
      if (!io.stop.aborted) io.stderr(`${fakeMac(index)}: gone${forMs === undefined ? "" : ` for ${forMs} ms`}\n`)
    },
    onListenFailed: (address: Address, error: unknown) =>
      io.stderr(`cannot listen on ${formatAddress(address)} again: ${(error as Error).message}\n`),
  }))
}

/** What a request that is refused is told. */
const REFUSAL = "Refused, as this fake device was told"

// Loaded here and not above: the messages' descriptors take 30 ms, which no other command should wait for.
async function openProtobuf(options: FakeServerOptions): Promise<Fake> {
  const { FakeServer } = await import("../lucidac/fake-server.ts")
  return FakeServer.open(options)
}

async function openJson(options: FakeJsonServerOptions): Promise<Fake> {
  const { FakeJsonServer } = await import("../lucidac/fake-json-server.ts")
  return new FakeJsonServer(options)
}

async function open<Options extends { readonly address: Address }>(
  options: Options,
  opened: (options: Options) => Promise<Fake>,
): Promise<Fake> {
  try {
    return await opened(options)
  } catch (error) {
    const { code = "", message = "" } = error as { code?: string; message?: string }
    const where = formatAddress(options.address)
    throw new CliError(
      `Cannot listen on ${where}: ${code || message}. Choose another --listen or --port (0 = any free).`,
      1,
      { cause: error },
    )
  }
}

const carrierCount = (parsed: Parsed): number =>
  numberOption(parsed, "carriers", { min: 1, max: MAX_CARRIERS, integer: true })

function milliseconds(parsed: Parsed, name: string): number | undefined {
  return parsed.value(name) === undefined ? undefined : numberOption(parsed, name, { min: 0, max: 86_400_000 })
}

function kindOf(option: string, name: string): number {
  const arm = (ARM as Readonly<Record<string, number>>)[name]
  if (arm === undefined) {
    throw new UsageError(
      `--${option} ${JSON.stringify(name)}: expected a kind of request, one of ${REQUESTS.join(", ")}`,
    )
  }
  return arm
}

const REQUESTS = Object.entries(ARM).flatMap(([name, arm]) =>
  (arm >= 200 && arm < 300) || arm === ARM.ping ? [name] : [],
)
