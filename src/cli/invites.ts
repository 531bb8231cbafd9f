/** `spinnaker-relay invites`: who may use the server on this machine. */
import type { KeyInfo } from "../relay/control.ts"
import type { Command } from "./command.ts"
import { askServerOrKeys } from "./control-client.ts"
import { DATA_OPTION, dataDirectory } from "./data-directory.ts"
import { howLong, localTime, table } from "./table.ts"

export const invitesCommand: Command = {
  name: "invites",
  positionals: "",
  summary: "List tickets that wait to be used, and the machines that have joined",
  options: [{ name: "json", description: "Print a JSON array" }, DATA_OPTION],
  examples: ["spinnaker-relay invites"],
  async run(parsed, io) {
    const { result } = await askServerOrKeys(dataDirectory(parsed, io), { command: "invites" }, io)
    io.stdout(parsed.flag("json") ? `${JSON.stringify(result)}\n` : describeKeys(result, Date.now()))
    return 0
  },
}

/** The keys as a table; `now` is Unix time in milliseconds. */
export function describeKeys(keys: readonly KeyInfo[], now: number): string {
  if (keys.length === 0) return "Nobody is invited: spinnaker-relay invite NAME prints a ticket.\n"
  const rows = keys.map(({ user, device, boards, createdAt, expiresAt, id }) => [
    user,
    device ?? `(a ticket for ${howLong(Math.max(0, (expiresAt ?? now) - now))} more)`,
    boards === "all" ? "all" : boards.join(","),
    localTime(createdAt),
    id,
  ])
  return table(["USER", "MACHINE", "BOARDS", "SINCE", "KEY"], rows)
}
