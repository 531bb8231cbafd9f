/** A server's status in a few tables. */
import type { BoardReport, LeaseReport, SessionReport, StatusReport } from "../observe/status.ts"
import { counted, howLong, printable, table } from "./table.ts"

/** The whole report for people. */
export function describeStatus(report: StatusReport): string {
  const { name, version, uptimeMs, pid, boards, sessions } = report
  const title = `${printable(name)}: spinnaker-relay ${version}, up ${howLong(uptimeMs)}, process ${pid}\n`
  const users =
    sessions.length === 0
      ? "Nobody is connected.\n"
      : table(["USER", "DEVICE", "FROM", "SINCE", "FLOWS", "RTT", "QUEUE", "RECONNECTS", "LOST"], sessions.map(userRow))
  return [
    `${title}${ports(report)}`,
    table(["BOARD", "ADDRESS", "STATE", "FLOWS", "LEASE"], boards.map(boardRow)),
    users,
    totals(report),
  ]
    .filter((part) => part !== "")
    .join("\n")
}

function ports({ listening, legacy }: StatusReport): string {
  const tunnel = listening.length > 0 ? `listening on ${listening.join(", ")}` : "listening nowhere yet"
  const old = legacy.length > 0 ? `; old ports, without security: ${legacy.join(", ")}` : ""
  return `${tunnel}${old}\n`
}

const STATES: Readonly<Record<BoardReport["state"], string>> = {
  unknown: "not used yet",
  unbooted: "not booted",
  booting: "booting",
  booted: "booted",
  unreachable: "no answer",
}

function boardRow({ name, address, state, software, flows, lease }: BoardReport): string[] {
  const what = software === undefined ? STATES[state] : `${STATES[state]}, ${software}`
  return [name, address === name ? "" : address, what, String(flows), lease ? describeLease(lease) : "shared by all"]
}

/** "alice for 3 min, idle 3 s; waiting: bob". */
export function describeLease({ state, user = "somebody", sinceMs = 0, idleMs, waiting }: LeaseReport): string {
  const queue = waiting.length > 0 ? `; waiting: ${waiting.join(", ")}` : ""
  return `${leaseWords()}${queue}`

  function leaseWords(): string {
    switch (state) {
      case "free":
        return "free"
      case "held":
        return `${user} for ${howLong(sinceMs)}${idleMs === undefined ? "" : `, idle ${howLong(idleMs)}`}`
      case "reserved":
        return `kept for ${user}, whose turn it is`
      case "withheld":
        return `withheld from ${user} for a moment`
      case "resetting":
        return "being reset"
    }
  }
}

function userRow(session: SessionReport): string[] {
  const { user, device = "", peer, sinceMs, flows, rttMs, queuedBytes, queueAgeMs, reconnects } = session
  return [
    user,
    device,
    peer ?? "connection lost",
    howLong(sinceMs),
    String(flows),
    rttMs === undefined ? "" : `${rttMs < 10 ? rttMs.toFixed(1) : Math.round(rttMs)} ms`,
    queuedBytes === 0 && queueAgeMs < 1 ? "empty" : `${queuedBytes} B, ${howLong(queueAgeMs)}`,
    String(reconnects),
    sum(session.drops),
  ]
}

function sum(counts: Readonly<Record<string, number | undefined>>): string {
  return String(Object.values(counts).reduce((total: number, count) => total + (count ?? 0), 0))
}

function totals({ drops, refusals, strangers }: StatusReport): string {
  const rows = [
    ["datagrams lost:", listed(drops)],
    ["peers refused:", listed(refusals)],
    ["not let in yet:", strangers === 0 ? "" : counted(strangers, "connection")],
  ].filter(([, what]) => what !== "")
  return rows.map(([name, what]) => `${name} ${what}\n`).join("")
}

/** "12 queue-old, 3 unmatched", the most first. */
function listed(counts: Readonly<Record<string, number | undefined>>): string {
  const found = Object.entries(counts).filter((entry): entry is [string, number] => (entry[1] ?? 0) > 0)
  const sorted = found.sort(([, a], [, b]) => b - a)
  return sorted.map(([reason, count]) => `${count} ${printable(reason)}`).join(", ")
}
