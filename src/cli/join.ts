/** `spinnaker-relay join`: takes a pasted ticket, proves it to its server, and keeps the key that comes of it. */
import { hostname } from "node:os"
import { LogObserver } from "../observe/log-observer.ts"
import type { Observer } from "../observe/observer.ts"
import { decodeTicket, type Ticket } from "../protocol/ticket.ts"
import { isUserName, MAX_NAME } from "../relay/key.ts"
import { KnownServers } from "../relay/known-servers.ts"
import { formatAddress } from "../transport/address.ts"
import { systemClock } from "../transport/clock.ts"
import { join as joinServer } from "../transport/tunnel/join.ts"
import { CliError, type Command, type CommandIo, type Parsed, UsageError } from "./command.ts"
import { DATA_OPTION, dataDirectory, withStores } from "./data-directory.ts"
import { LOG_OPTIONS, logFrom } from "./log-options.ts"
import { SecretFile } from "./secret-file.ts"

/** Far above a ticket that was pasted twice. */
const MAX_INPUT = 64 << 10

/** Reads until a whole ticket has come, or the input ends. */
async function readTicket(io: CommandIo): Promise<Ticket> {
  if (io.isTerminal) io.stderr("Paste the ticket (the line that begins with spin1-), then press Enter:\n")
  let pasted = ""
  for await (const piece of io.stdin ?? []) {
    pasted += piece
    const result = decodeTicket(pasted)
    if (result.ok) return result.ticket
    // A terminal gives a long paste in pieces; what is cut, or only an empty line, may go on.
    const mayGoOn = result.code === "incomplete" || result.code === "empty" || result.code === "mistyped"
    if (pasted.length > MAX_INPUT || (pasted.endsWith("\n") && !mayGoOn)) break
    if (io.isTerminal && pasted.endsWith("\n") && pasted.trim() !== "" && result.code !== "incomplete") break
  }
  const result = decodeTicket(pasted)
  if (result.ok) return result.ticket
  throw new CliError(`Not joined: ${result.text}.`)
}

async function run(parsed: Parsed, io: CommandIo): Promise<number> {
  if (parsed.positionals.length > 0) {
    throw new UsageError("a ticket is a secret: it is pasted when join asks for it, never typed behind it")
  }
  const as = parsed.value("as")
  if (as !== undefined && !isUserName(as)) {
    throw new UsageError(
      `--as ${JSON.stringify(as)} cannot be a server's name: expected letters, digits and . _ - @, at most ${MAX_NAME}`,
    )
  }
  const directory = dataDirectory(parsed, io)
  const servers = withStores(() => KnownServers.open(new SecretFile(directory.serversFile, process.platform)))
  if (as !== undefined && servers.find(as)) {
    throw new UsageError(`--as ${as}: a server of that name is known already: choose another name`)
  }
  const ticket = await readTicket(io)
  if (ticket.expiresAt * 1000 < Date.now()) {
    throw new CliError("Not joined: this ticket has expired: ask for another (or this machine's clock is wrong).")
  }
  const name = as ?? servers.freeName(ticket.serverName)
  withStores(() => servers.rewrite())
  const log = new LogObserver(logFrom(parsed, io), systemClock)
  // A ticket names its server in every way that there is: that some lead nowhere from here is no trouble.
  const observer: Observer = {
    event: (event) => (event.type === "resolve-failed" ? undefined : log.event(event)),
    drop: (reason, where, count) => log.drop(reason, where, count),
  }
  const joined = await joinServer({
    addresses: ticket.addresses,
    ticket: { id: ticket.keyId, secret: ticket.secret },
    device: hostname(),
    clock: systemClock,
    random: Math.random,
    observer,
  })
  log.close()
  if (!joined.ok) {
    const tried = ticket.addresses.map(formatAddress).join(", ")
    const advice = joined.proved ? "" : ` (tried ${tried}; the ticket is still good if its server has not been reached)`
    throw new CliError(`Not joined: ${joined.detail}${advice}.`)
  }
  const { key, address } = joined
  withStores(() =>
    servers.put({ name, addresses: ticket.addresses, keyId: key.id, secret: key.secret, lastGood: address }),
  )
  io.stdout(`Joined ${name} at ${formatAddress(address)}. To use its boards: spinnaker-relay client ${name}\n`)
  return 0
}

/** The command. */
export const joinCommand: Command = {
  name: "join",
  positionals: "[ticket]",
  summary: "Take a ticket from standard input, and from then on reach its server with: client NAME",
  options: [
    { name: "as", value: "NAME", description: "Call the server this (default: what it calls itself)" },
    DATA_OPTION,
    ...LOG_OPTIONS,
  ],
  examples: ["spinnaker-relay join", "spinnaker-relay join < ticket.txt"],
  run,
}
