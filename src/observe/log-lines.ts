/** One line for each event, in words that a technician understands. Machines get the event's own fields (log.ts). */
import type { LeaseNews } from "../protocol/lease-news.ts"
import type { Event, ReleaseCause } from "./events.ts"
import type { RefusalReason } from "./refusal-reason.ts"

/** Levels of a line; an event whose level is below the log's is not printed. */
export type Level = "error" | "warn" | "info" | "debug"

/** A line for people. */
export interface LogLine {
  readonly level: Level
  readonly text: string
}

const line = (level: Level, text: string): LogLine => ({ level, text })
const seconds = (ms: number): string => (ms < 9_950 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`)
const again = (retryMs: number): string => (retryMs < 1_000 ? "trying again" : `trying again in ${seconds(retryMs)}`)
const service = (channel: string): string => (channel === "boot" ? "boot" : channel === "scp" ? "SCP" : channel)

/** System codes that a technician should not have to look up. */
const CODES: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: "this machine does not have that address",
  EACCES: "the system does not permit it, as ports below 1024 to ordinary users",
  EADDRINUSE: "another program has that port",
  ECONNREFUSED: "nothing listens on that port",
  EHOSTUNREACH: "nothing answers at that address",
  ENETUNREACH: "this machine has no network that leads there",
  ENETDOWN: "this machine's network is down",
  EMFILE: "this program has as many sockets open as it may, raise the limit with ulimit -n or LimitNOFILE",
  ENFILE: "this machine has as many files open as it may",
  ENOTFOUND: "no such name is known",
  EAI_AGAIN: "no name server answers",
}
/** Codes of trouble on this machine, where looking at the board would be of no use. */
const OWN_TROUBLE: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "EMFILE", "ENFILE", "ENETDOWN", "ENETUNREACH"])

const left = { clean: "has left", lost: "did not come back", ended: "was sent away" } as const

const refusals: Readonly<Record<RefusalReason, string>> = {
  tls: "it does not speak TLS 1.3",
  "not-allowed": "its address is not allowed",
  timeout: "it proved nothing in time",
  crowded: "it made room for another before it had proved anything",
  malformed: "what it said is no greeting",
  oversize: "its greeting is too long",
  version: "it speaks another version of the protocol",
  "unknown-key": "there is no such key",
  "wrong-proof": "its proof is wrong",
  "revoked-key": "its key has been revoked",
  "used-ticket": "its ticket has been used",
  "expired-ticket": "its ticket has expired",
  "too-many-sessions": "its key has too many sessions open",
  interposed: "it proves a key for another connection: somebody stands between it and this server",
  replayed: "it repeats what another had said to prove a key",
  truncated: "it left in the middle of its greeting",
  left: "it left before it had said anything",
}

/** "nothing listens on that port (ECONNREFUSED)". */
function why(detail: string): string {
  const words = CODES[detail]
  return words ? `${words} (${detail})` : detail
}

/** "1, 4, 19 and 7 more". */
function some(numbers: readonly number[]): string {
  const shown = numbers.slice(0, 8).join(", ")
  return numbers.length > 8 ? `${shown} and ${numbers.length - 8} more` : shown
}

/** "held by alice, idle 3 s, behind 2 others". */
function leaseWords(news: LeaseNews, held: string): string {
  const idle = (ms: number): string => `idle ${Math.floor(ms / 1000)} s`
  const behind = (ahead: number): string =>
    ahead === 0 ? "" : `, behind ${ahead === 1 ? "another" : `${ahead} others`} who ${ahead === 1 ? "waits" : "wait"}`
  switch (news.state) {
    case "held":
      return `${held} by ${news.by}, ${idle(news.idleMs)}${behind(news.waitingAhead)}`
    case "reserved":
      return `kept for ${news.by}, who is next${behind(news.waitingAhead)}`
    case "resetting":
      return "being reset"
    case "withheld":
      return "for others to take first, after a kick"
    case "yours":
      return "free"
  }
}

/** "alice was silent for 300 s". */
function releaseWords({ user, cause, afterMs }: { user: string; cause: ReleaseCause; afterMs: number }): string {
  switch (cause) {
    case "silent":
      return `${user} was silent for ${Math.round(afterMs / 1000)} s`
    case "left":
      return `${user} has disconnected`
    case "lost":
      return `the connection of ${user} is lost`
    case "kicked":
      return `${user} was kicked`
    case "max-hold":
      return `${user} had it for ${Math.round(afterMs / 1000)} s, and others wait`
  }
}

/** What to type, or to put into .spynnaker.cfg, to use a board or a BMP. */
function copyable({ kind, address, boardType }: Extract<Event, { type: "board-address" }>): string {
  if (kind === "bmp") return `rig-power ${address} on; .spynnaker.cfg [Machine]: bmp_names = ${address}`
  const [boot, version] = boardType
    ? [`rig-boot ${address} --${boardType}; `, `, version = ${boardType.at(-1)}`]
    : ["", ""]
  return `${boot}rig-info ${address}; ybug ${address}; .spynnaker.cfg [Machine]: machine_name = ${address}${version}`
}

/** The line of an event. */
export function logLine(event: Event): LogLine {
  switch (event.type) {
    case "listening":
      return line(
        "info",
        `${event.role} listening for ${service(event.channel)} on ${event.carrier.toUpperCase()} ${event.address}`,
      )
    case "listen-waiting":
      return line("warn", `cannot listen on ${event.address} yet: ${why(event.detail)}; ${again(event.retryMs)}`)
    case "listen-reopened":
      return line("warn", `the system closed the socket on ${event.address}: opened again`)
    case "open-to-all":
      return line(
        "warn",
        `anyone who reaches these ports (${event.addresses}) controls the board: limit them with --allow NETWORK, or listen on one network with --bind ADDRESS`,
      )
    case "client-open-wider":
      return line(
        "warn",
        `listening on ${event.address}, beyond this machine: anyone who reaches it controls the board; limit them with --allow NETWORK`,
      )
    case "receive-buffer":
      return event.hint
        ? line(
            "warn",
            `receive buffer is only ${event.grantedBytes >> 10} KiB: bursts may be lost; to mend it: ${event.hint}`,
          )
        : line("debug", `receive buffer: asked for ${event.wantedBytes >> 10} KiB, got ${event.grantedBytes >> 10} KiB`)
    case "flow-opened":
      return line(
        "info",
        `${event.application} connected for ${service(event.channel)} (${event.flows} ${event.flows === 1 ? "flow" : "flows"})`,
      )
    case "flow-closed":
      return line(
        event.code === "shutdown" ? "debug" : "info",
        `${event.application} left ${service(event.channel)}: ${event.code} (${event.flows} left)`,
      )
    case "flow-limit":
      return line(
        "warn",
        `more than ${event.limit} ${service(event.channel)} flows at once: the quietest ones end; allow more with flows in the configuration (old ports: --max-flows)`,
      )
    case "resolve-failed":
      return line("warn", `cannot find the address of ${event.name}: ${why(event.detail)}; ${again(event.retryMs)}`)
    case "resolved":
      return line("info", `${event.name} is ${event.host}`)
    case "target-unreachable":
      return line(
        "warn",
        `${event.target} cannot be reached: ${why(event.detail)}${OWN_TROUBLE.has(event.detail) ? "" : "; check its power, cable and address"}`,
      )
    case "target-back":
      return line("info", `${event.target} answers again`)
    case "peer-connected":
      return line(
        "info",
        `${event.peer} connected over TCP (${event.protocol === "mux" ? "spinnaker-relay" : "plain frames, as Python's proxy"})`,
      )
    case "peer-lost":
      return line("info", `${event.peer} disconnected: ${event.detail}`)
    case "peer-refused":
      return line("warn", `${event.peer} cut off: ${event.detail}`)
    case "connected":
      return line(
        "info",
        `connected to ${event.target} after ${seconds(event.afterMs)}${event.protocol === "framed" ? " (a Python proxy)" : ""}`,
      )
    case "connect-failed":
      return line("warn", `cannot connect to ${event.target}: ${event.detail}; ${again(event.retryMs)}`)
    case "connection-lost":
      return line("warn", `connection to ${event.target} lost: ${event.detail}; ${again(event.retryMs)}`)
    case "python-shared":
      return line(
        "warn",
        `${event.target} is a Python proxy: it serves one application at a time, and IP tags do not pass; run spinnaker-relay there to serve many`,
      )
    case "boot-begun":
      return line("info", `${event.application} boots ${event.board}: ${event.blocks} blocks to come`)
    case "boot-progress":
      return line("debug", `boot of ${event.board} by ${event.application}: ${event.done} of ${event.total} blocks`)
    case "boot-sent":
      return line(
        "info",
        `boot of ${event.board} by ${event.application} sent: ${event.blocks} blocks, ${event.bytes} bytes in ${seconds(event.durationMs)}`,
      )
    case "boot-incomplete":
      return line(
        "warn",
        `boot of ${event.board} by ${event.application} is incomplete: ${event.missing.length} of ${event.total} blocks never came (${some(event.missing)}); boot over TCP: give the client -t (a Python server too)`,
      )
    case "boot-resent":
      return line("info", `sent the boot to ${event.target} again from its start (${event.datagrams} datagrams)`)
    case "boot-repeated":
      return line("debug", `no answer from ${event.board} yet: sending the image again (pass ${event.pass})`)
    case "boot-unfinished":
      return line(
        "warn",
        `boot of ${event.board} by ${event.application} stopped: ${event.blocks} blocks came, ${event.lost} never did; boot over TCP: give the client -t (a Python server too)`,
      )
    case "boot-refused":
      return line(
        "warn",
        `${event.application} wants to boot ${event.board} while ${event.owner} does: refused; let it try again when that boot is over`,
      )
    case "boot-mixed":
      return line(
        "warn",
        `${event.application} boots ${event.board} with another image than the one last sent, of which its boot ROM may hold a part: unless it has been reset since, only a reset or power cycle clears it`,
      )
    case "boot-answered":
      return line(
        "info",
        `${event.board} is booted: ${event.version}, ${seconds(event.durationMs)} after ${event.application} began, ${event.passes} ${event.passes === 1 ? "pass" : "passes"}`,
      )
    case "boot-failed":
      return line(
        "error",
        event.answered
          ? `${event.board} has taken the boot of ${event.application} but its network does not come up (still 255,255 after ${seconds(event.durationMs)}): check the Ethernet cable and the image's board type, then power-cycle the board (spinnaker-relay power BMP-ADDRESS cycle, or pull its plug)`
          : `${event.board} does not answer ${seconds(event.durationMs)} after the boot by ${event.application} began, ${event.passes} passes: check its power, its Ethernet cable and that ${event.board} is its address; if it has been booted or half booted with another image before, power-cycle it (spinnaker-relay power BMP-ADDRESS cycle, or pull its plug) and boot again`,
      )
    case "tag-set":
      return line(
        "info",
        `${event.application} has set ${event.reverse ? "reverse IP tag" : "IP tag"} ${event.tag} of ${event.board}`,
      )
    case "tag-taken":
      return line(
        "warn",
        `IP tag ${event.tag} of ${event.board} was ${event.from}'s, ${event.by} has taken it: a board has eight tags for everybody; use another number`,
      )
    case "tag-refused":
      return line("error", `IP tag ${event.tag} of ${event.board} for ${event.application} failed: ${event.detail}`)
    case "reverse-port-taken":
      return line(
        "warn",
        event.detail === "EADDRINUSE"
          ? `UDP port ${event.port} of this machine is taken (${event.detail}), so ${event.application} cannot have a reverse IP tag on it: end the program that uses it, or choose another port`
          : `cannot listen on UDP port ${event.port} for the reverse IP tag of ${event.application}: ${event.detail}`,
      )
    case "tags-not-passing":
      return line(
        "warn",
        event.side === "server"
          ? `IP tags do not pass: no spinnaker-relay answers on TCP at ${event.peer} (a Python proxy, or a firewall); SCP and boots do`
          : `IP tags do not pass to ${event.peer}: it is a Python proxy over TCP; SCP and boots do`,
      )
    case "board-version":
      return line("info", `${event.board} answers: ${event.version}${event.booting ? ", still starting" : ""}`)
    case "board-unbooted":
      return event.served
        ? line("info", `board at ${event.board}, unbooted`)
        : line(
            "warn",
            `board at ${event.board}, unbooted, is not one that this server serves: is that the right address?`,
          )
    case "boards-found":
      return line(
        event.ignored.length > 0 ? "warn" : "info",
        [
          ...(event.served.length > 0
            ? [`the machine at ${event.board} has more boards: ${event.served.join(", ")}`]
            : []),
          ...(event.ignored.length > 0
            ? [
                `not served, being in another network than ${event.board}: ${event.ignored.join(", ")}; name them with --boards`,
              ]
            : []),
        ].join("; "),
      )
    case "hello-unheard":
      return line(
        event.expectTaken ? "debug" : "warn",
        `cannot hear the beacons of unbooted boards on ${event.address}: ${event.detail}; everything else works; ${again(event.retryMs)}`,
      )
    case "hello-listening":
      return line("info", `hears the beacons of unbooted boards on ${event.address} now`)
    case "board-address":
      return line(
        "info",
        `${event.kind === "bmp" ? "BMP" : "board"} ${event.board} is at ${event.address}: ${copyable(event)}`,
      )
    case "board-gone":
      return line(
        "warn",
        `the server has no ${event.board} for you any more: nothing answers at ${event.address} until it has it again; ask its owner`,
      )
    case "board-no-address":
      return line(
        "warn",
        event.detail === "EADDRNOTAVAIL"
          ? `${event.board} has no address here: this system has no ${event.address} (${event.detail}); add it with: sudo ifconfig lo0 alias ${event.address}, then start again`
          : `${event.board} has no address here: ${event.address}: ${event.detail}; choose one with --address ${event.board}=ADDRESS`,
      )
    case "board-elsewhere":
      return line(
        "warn",
        `the machine has another board at ${event.address}, which cannot be reached from here: serve it too, in the server's configuration (old ports: with --boards, and -t or -T on this client)`,
      )
    case "reloaded":
      return line("info", `read the configuration again: ${event.changes.join("; ") || "nothing has changed"}`)
    case "reload-failed":
      return line("error", `the configuration was left as it was: ${event.detail}`)
    case "tunnel-listening":
      return line("info", `server listening for its users, encrypted, on TCP ${event.address}`)
    case "user-connected":
      return line("info", `${event.user} is connected, from ${event.peer}`)
    case "user-lost":
      return line(
        "info",
        `${event.user}'s connection is lost (${event.detail}): waiting ${seconds(event.waitMs)} for it`,
      )
    case "user-back":
      return line("info", `${event.user} is back, from ${event.peer}: the session goes on`)
    case "user-left":
      return line("info", `${event.user} ${left[event.how]}${event.detail ? `: ${event.detail}` : ""}`)
    case "device-joined":
      return line("info", `${event.user} has joined with ${event.device || "a device"}, from ${event.peer}`)
    case "tunnel-refused":
      return line(
        event.reason === "left" || event.reason === "crowded" ? "debug" : "warn",
        `did not let ${event.peer || "a peer"} in: ${refusals[event.reason]} (${event.count} since the start)`,
      )
    case "tunnel-up":
      return line(
        "info",
        `connected to ${event.name} at ${event.target} after ${seconds(event.afterMs)}${event.resumed ? ", the session goes on" : ""}`,
      )
    case "tunnel-not-let-in":
      return line(
        "error",
        event.proved
          ? `${event.target} does not let this machine in: ${event.detail}; ${again(event.retryMs)}`
          : `what answers at ${event.target} does not know this machine's key (it may have been revoked, or another server answers there): ask for a new ticket and type spinnaker-relay join; ${again(event.retryMs)}`,
      )
    case "lease-taken":
      return line("info", `${event.board} is now ${event.user}'s`)
    case "lease-waits":
      return line("info", `${event.user} waits for ${event.board}, ${leaseWords(event.news, "held")}`)
    case "lease-offered":
      return line("info", `${event.board} is kept for ${event.user}, who is next, for ${seconds(event.forMs)}`)
    case "lease-released":
      return line("info", `${event.board} is free again (${releaseWords(event)})`)
    case "lease-resetting":
      return line("info", `${event.board} is being reset for its next user`)
    case "lease-reset":
      return event.failed === undefined
        ? line("info", `${event.board} has been reset`)
        : line("error", `${event.board} could not be reset: ${event.failed}; its next user finds it as it was left`)
    case "board-in-use":
      return event.news.state === "yours"
        ? line("info", `${event.board} is yours now`)
        : line("warn", `${event.board} is ${leaseWords(event.news, "in use")}: waiting`)
    case "internal-error":
      return line("error", `a fault in spinnaker-relay itself, in ${event.where}: ${event.detail}; please report it`)
    case "stopping":
      return line("info", `stopping (${event.signal})`)
  }
}
