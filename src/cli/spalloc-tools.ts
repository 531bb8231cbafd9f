/** `spinnaker-relay spalloc ps|machine|where-is|destroy`: what any spalloc server is doing, and ending a job there. */
import { boardMap } from "../spalloc/board-map.ts"
import { clientConfigFiles, parseClientConfig } from "../spalloc/client-config.ts"
import { SpallocClient, SpallocClientError } from "../spalloc/spalloc-client.ts"
import { type JobRecord, JobState, type MachineRecord, type WhereIsReply } from "../spalloc/types.ts"
import { systemClock } from "../transport/clock.ts"
import {
  CliError,
  type Command,
  type CommandIo,
  numberOption,
  type OptionSpec,
  type Parsed,
  portOption,
  UsageError,
} from "./command.ts"
import { printable, table } from "./table.ts"
import { parseHost } from "./target.ts"

const SERVER_OPTIONS: readonly OptionSpec[] = [
  {
    name: "host",
    value: "HOST",
    description: "The spalloc server (default: hostname in the Python client's .spalloc files, then localhost)",
  },
  { name: "port", value: "PORT", description: "Its TCP port (default: port in those files, then 22244)" },
  { name: "timeout", value: "SECONDS", default: "10", description: "How long to wait for an answer" },
]
const JSON_OPTION: OptionSpec = { name: "json", description: "Print JSON instead of tables" }
const WATCH_OPTION: OptionSpec = { name: "watch", short: "w", description: "Print it again whenever it changes" }

export const spallocPsCommand: Command = {
  name: "spalloc ps",
  positionals: "",
  summary: "List the jobs of a spalloc server",
  options: [
    ...SERVER_OPTIONS,
    { name: "machine", short: "m", value: "NAME", description: "Only jobs on that machine" },
    { name: "owner", short: "o", value: "NAME", description: "Only jobs of that owner" },
    JSON_OPTION,
    WATCH_OPTION,
  ],
  examples: ["spinnaker-relay spalloc ps --host spalloc.example.org --watch"],
  run: (parsed, io) =>
    show(parsed, io, async (client) => {
      const [machine, owner] = [parsed.value("machine"), parsed.value("owner")]
      const jobs = ((await client.call("list_jobs")) as JobRecord[])
        .filter((job) => machine === undefined || job.allocated_machine_name === machine)
        .filter((job) => owner === undefined || job.owner === owner)
      return parsed.flag("json") ? json(jobs) : jobTable(jobs)
    }),
}

export const spallocMachineCommand: Command = {
  name: "spalloc machine",
  positionals: "[name]",
  summary: "List the machines of a spalloc server, or draw one with its jobs",
  options: [...SERVER_OPTIONS, JSON_OPTION, WATCH_OPTION],
  examples: ["spinnaker-relay spalloc machine", "spinnaker-relay spalloc machine rack1 --watch"],
  run: (parsed, io) =>
    show(parsed, io, async (client) => {
      const machines = (await client.call("list_machines")) as MachineRecord[]
      const jobs = (await client.call("list_jobs")) as JobRecord[]
      const name = parsed.positionals[0]
      if (name === undefined) return parsed.flag("json") ? json(machines) : machineTable(machines, jobs)
      const machine = machines.find((one) => one.name === name)
      if (!machine) {
        const known = machines.map((one) => one.name).join(", ") || "none"
        throw new CliError(`There is no machine ${JSON.stringify(name)}; the server has: ${known}.`)
      }
      const onIt = jobs.filter((job) => job.allocated_machine_name === name)
      return parsed.flag("json") ? json({ machine, jobs: onIt }) : drawing(machine, onIt)
    }),
}

/** Ways to name a place: what they need, and the protocol's names for it. */
const PLACES: Readonly<Record<string, readonly string[]>> = {
  board: ["machine", "x", "y", "z"],
  physical: ["machine", "cabinet", "frame", "board"],
  chip: ["machine", "chip_x", "chip_y"],
  job: ["job_id", "chip_x", "chip_y"],
}

export const spallocWhereIsCommand: Command = {
  name: "spalloc where-is",
  positionals: "<what> <...place>",
  summary: "Find a board or chip: board M X Y Z, physical M C F B, chip M X Y, or job ID X Y",
  options: [...SERVER_OPTIONS, JSON_OPTION],
  examples: [
    "spinnaker-relay spalloc where-is board rack1 0 0 1",
    "spinnaker-relay spalloc where-is physical rack1 0 0 5",
    "spinnaker-relay spalloc where-is chip rack1 12 7",
    "spinnaker-relay spalloc where-is job 24 14 3",
  ],
  run: (parsed, io) =>
    show(parsed, io, async (client) => {
      const found = (await client.call("where_is", [], placeOf(parsed.positionals))) as WhereIsReply | null
      if (found === null) throw new CliError(`There is no board at ${parsed.positionals.join(" ")}.`)
      return parsed.flag("json") ? json(found) : whereIsText(found)
    }),
}

export const spallocDestroyCommand: Command = {
  name: "spalloc destroy",
  positionals: "<job> [reason]",
  summary: "End a job of a spalloc server",
  options: [...SERVER_OPTIONS, JSON_OPTION],
  examples: ['spinnaker-relay spalloc destroy 24 "the rack is needed"'],
  run: (parsed, io) =>
    show(parsed, io, async (client) => {
      const [text = "", reason = null] = parsed.positionals
      const job = wholeNumber("job", text)
      const { state } = (await client.call("get_job_state", [job])) as { state: number }
      if (state === JobState.UNKNOWN) throw new CliError(`The server knows no job ${job}: "spalloc ps" lists them.`)
      if (state === JobState.DESTROYED) throw new CliError(`Job ${job} has ended already.`)
      await client.call("destroy_job", [job, reason])
      return parsed.flag("json") ? json({ job_id: job, destroyed: true }) : `Job ${job} is destroyed.\n`
    }),
}

/** Connects, prints what `render` says, and with --watch prints it again at every change until Ctrl-C. */
async function show(
  parsed: Parsed,
  io: CommandIo,
  render: (client: SpallocClient) => Promise<string>,
): Promise<number> {
  const timeoutMs = numberOption(parsed, "timeout", { min: 0.1, max: 3600 }) * 1000
  try {
    const client = await SpallocClient.connect({
      address: await serverAddress(parsed, io),
      clock: systemClock,
      timeoutMs,
    })
    try {
      if (!parsed.flag("watch")) {
        io.stdout(await render(client))
        return 0
      }
      await client.call("notify_job", [null])
      await client.call("notify_machine", [null])
      while (!io.stop.aborted) {
        const text = await render(client)
        io.stdout(
          io.stdoutIsTerminal === true && !parsed.flag("json")
            ? `${CLEAR}${text}`
            : `${text}${parsed.flag("json") ? "" : "\n"}`,
        )
        await client.notification(io.stop).catch((error: unknown) => {
          if (!io.stop.aborted) throw error
        })
      }
      return 0
    } finally {
      client.close()
    }
  } catch (error) {
    if (error instanceof SpallocClientError) throw new CliError(error.message, 1, { cause: error })
    throw error
  }
}

/** Clears the terminal and goes to its upper left corner. */
const CLEAR = "\x1b[H\x1b[2J\x1b[3J"

async function serverAddress(parsed: Parsed, io: CommandIo): Promise<{ host: string; port: number }> {
  let config: ReturnType<typeof parseClientConfig> = {}
  for (const file of clientConfigFiles(process.platform, io.env)) {
    const text = await Bun.file(file)
      .text()
      .catch(() => "")
    config = { ...config, ...parseClientConfig(text) }
  }
  const typed = parsed.value("host")
  try {
    const host = parseHost(typed ?? config.hostname ?? "localhost")
    return { host, port: parsed.value("port") === undefined ? (config.port ?? 22244) : portOption(parsed, "port") }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`--host ${JSON.stringify(typed)}: ${(error as Error).message}`, { cause: error })
  }
}

const json = (value: unknown): string => `${JSON.stringify(value)}\n`

const STATES = ["unknown", "queued", "power", "ready", "destroyed"]

function jobTable(jobs: readonly JobRecord[]): string {
  const rows = jobs.map((job) => [
    job.job_id,
    STATES[job.state] ?? String(job.state),
    job.power === null ? "" : job.power ? "on" : "off",
    job.boards === null ? "" : job.boards.length,
    job.allocated_machine_name ?? "",
    localTime(job.start_time),
    job.keepalive === null ? "for ever" : `${job.keepalive} s`,
    ownerOf(job),
  ])
  const headings = ["ID", "State", "Power", "Boards", "Machine", "Created at", "Keepalive", "Owner (Host)"]
  return table(headings, rows)
}

function machineTable(machines: readonly MachineRecord[], jobs: readonly JobRecord[]): string {
  const rows = machines.map((machine) => {
    const onIt = jobs.filter((job) => job.allocated_machine_name === machine.name)
    const dead = machine.dead_boards.length
    return [machine.name, liveBoards(machine), boardsOf(onIt), dead, onIt.length, machine.tags.join(", ")]
  })
  return table(["Name", "Boards", "In use", "Dead", "Jobs", "Tags"], rows)
}

function drawing(machine: MachineRecord, jobs: readonly JobRecord[]): string {
  const keyed = jobs.map((job, index) => ({ job, key: keyOf(index) }))
  const facts = [
    `${machine.name}: ${machine.width}x${machine.height} triads, tags ${machine.tags.join(", ") || "none"}`,
    `${boardsOf(jobs)} of ${liveBoards(machine)} boards in use by ${jobs.length} jobs`,
    ...deadText(machine),
  ].map(printable)
  const map = boardMap({
    width: machine.width,
    height: machine.height,
    deadBoards: machine.dead_boards,
    deadLinks: machine.dead_links,
    groups: keyed.map(({ job, key }) => ({ label: key, boards: job.boards ?? [] })),
  })
  const rows = keyed.map(({ job, key }) => [key, job.job_id, job.boards?.length ?? 0, ownerOf(job)])
  const legend = rows.length > 0 ? `\n${table(["Key", "Job", "Boards", "Owner (Host)"], rows)}` : ""
  return lines([...facts, "", ...map]) + legend
}

/** Dead boards that are told one by one. */
const MAX_DEAD_TOLD = 12

/** Those of the configuration and those out of service: the protocol makes no difference. */
function deadText({ dead_boards: dead }: MachineRecord): string[] {
  if (dead.length === 0) return []
  const told = dead.slice(0, MAX_DEAD_TOLD).map((place) => `(${place.join(", ")})`)
  const more = dead.length > MAX_DEAD_TOLD ? ` and ${dead.length - MAX_DEAD_TOLD} more` : ""
  return [`dead or out of service: ${told.join(" ")}${more}`]
}

function whereIsText(found: WhereIsReply): string {
  const [cabinet, frame, board] = found.physical
  const facts: [string, string][] = [
    ["Machine", found.machine],
    ["Physical location", `cabinet ${cabinet}, frame ${frame}, board ${board}`],
    ["Board", `(${found.logical.join(", ")})`],
    ["Chip in machine", `(${found.chip.join(", ")})`],
    ["Chip in board", `(${found.board_chip.join(", ")})`],
    ["Job using board", found.job_id === null ? "none" : String(found.job_id)],
  ]
  if (found.job_chip !== null) facts.push(["Chip in job", `(${found.job_chip.join(", ")})`])
  return lines(facts.map(([name, value]) => `${name.padStart(17)}: ${value}`))
}

function placeOf(positionals: readonly string[]): Record<string, string | number> {
  const [kind = "", ...values] = positionals
  const names = PLACES[kind]
  if (!names) throw new UsageError(`${JSON.stringify(kind)}: expected board, physical, chip or job`)
  if (values.length !== names.length) throw new UsageError(`where-is ${kind} takes ${names.join(" ")}`)
  return Object.fromEntries(
    names.map((name, at) => [name, name === "machine" ? values[at]! : wholeNumber(name, values[at]!)]),
  )
}

function wholeNumber(what: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`${what} ${JSON.stringify(text)}: expected a whole number`)
}

const lines = (all: readonly string[]): string => `${all.join("\n")}\n`

const liveBoards = ({ width, height, dead_boards }: MachineRecord): number => 3 * width * height - dead_boards.length

const boardsOf = (jobs: readonly JobRecord[]): number => jobs.reduce((sum, job) => sum + (job.boards?.length ?? 0), 0)

/** Older servers tell no host. */
const ownerOf = ({ owner, keepalivehost }: JobRecord): string => (keepalivehost ? `${owner} (${keepalivehost})` : owner)

/** A, B ... Z, AA, AB ... */
function keyOf(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26))
  return index < 26 ? letter : keyOf(Math.floor(index / 26) - 1) + letter
}

function localTime(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000)
  const two = (number: number): string => String(number).padStart(2, "0")
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}
