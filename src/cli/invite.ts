/** `spinnaker-relay invite`: a ticket for a user, printed once. */
import { parseDuration } from "../config/duration.ts"
import { EXPIRES_RANGE, type InviteResult } from "../relay/control.ts"
import { isUserName } from "../relay/key.ts"
import { isBoardName, TUNNEL_PORT } from "../relay/server-config.ts"
import { readHostPort } from "../transport/host.ts"
import { type Command, type Parsed, UsageError } from "./command.ts"
import { askServerOrKeys } from "./control-client.ts"
import { DATA_OPTION, dataDirectory } from "./data-directory.ts"
import { howLong, localTime } from "./table.ts"

export const inviteCommand: Command = {
  name: "invite",
  positionals: "<name>",
  summary: "Print a ticket with which a user joins the server on this machine, once",
  options: [
    {
      name: "host",
      value: "HOST[:PORT]",
      repeatable: true,
      description: "Where the user reaches this server (default: this machine's name and all its addresses)",
    },
    { name: "boards", value: "NAME,NAME", description: "Only these boards (default: all, also those added later)" },
    { name: "expires", value: "TIME", default: "24h", description: "How long the ticket can be used: 30m, 24h, 7d" },
    DATA_OPTION,
  ],
  examples: [
    "spinnaker-relay invite alice",
    "spinnaker-relay invite bob --boards board-a --expires 7d --host relay.example.org:443",
  ],
  async run(parsed, io) {
    const name = userName(parsed)
    const request = {
      command: "invite",
      name,
      hosts: hosts(parsed),
      boards: boards(parsed),
      expiresMs: expiry(parsed),
    } as const
    const { result, running } = await askServerOrKeys(dataDirectory(parsed, io), request, io)
    io.stderr(words(name, request.expiresMs, result))
    if (!running) io.stderr(notRunning(request.hosts))
    io.stdout(`${result.ticket}\n`)
    return 0
  },
}

/** The user that a command is about; throws UsageError for what cannot be one. */
export function userName(parsed: Parsed): string {
  const name = parsed.positionals[0] ?? ""
  if (isUserName(name)) return name
  throw new UsageError(
    `${JSON.stringify(name)} cannot be a user's name: expected letters, digits and . _ - @, at most 63`,
  )
}

function hosts(parsed: Parsed): readonly string[] {
  for (const text of parsed.values("host")) {
    try {
      readHostPort(text, TUNNEL_PORT)
    } catch (error) {
      throw new UsageError(`--host ${(error as RangeError).message}`, { cause: error })
    }
  }
  return parsed.values("host")
}

function boards(parsed: Parsed): "all" | readonly string[] {
  const typed = parsed.value("boards")
  if (typed === undefined || typed === "all") return "all"
  const names = typed.split(",").map((name) => name.trim())
  const wrong = names.find((name) => !isBoardName(name))
  if (wrong === undefined) return [...new Set(names)]
  throw new UsageError(`--boards ${JSON.stringify(typed)}: ${JSON.stringify(wrong)} cannot be a board's name`)
}

function expiry(parsed: Parsed): number {
  const typed = parsed.value("expires") ?? ""
  const ms = parseDuration(typed)
  const { minMs, maxMs } = EXPIRES_RANGE
  if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms
  throw new UsageError(`--expires ${JSON.stringify(typed)}: expected a time such as 30m, 24h or 7d, from 1m to 30d`)
}

function words(name: string, expiresMs: number, { addresses, serverName, expiresAt }: InviteResult): string {
  return [
    `A ticket for ${name} to ${serverName}, for one machine, until ${localTime(expiresAt)} (${howLong(expiresMs)}).`,
    `It leads to ${addresses.join(", ")}${addresses.length > 1 ? ", whichever answers" : ""}.`,
    `Hand it over in private: who uses it first has it. On ${name}'s machine: spinnaker-relay join, then paste it.`,
    "",
  ].join("\n")
}

function notRunning(hosts: readonly string[]): string {
  const port = hosts.length > 0 ? "" : ` on port ${TUNNEL_PORT}`
  return `No server runs here now: the ticket can be used once one does${port} (spinnaker-relay server BOARD).\n`
}
