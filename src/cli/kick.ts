/** `spinnaker-relay kick`: ends a user's sessions and takes his boards; he may come back. */
import { isIpLiteral } from "../transport/host.ts"
import { CliError, type Command } from "./command.ts"
import { askServer } from "./control-client.ts"
import { DATA_OPTION, dataDirectory } from "./data-directory.ts"
import { userName } from "./invite.ts"
import { counted } from "./table.ts"

export const kickCommand: Command = {
  name: "kick",
  positionals: "<name>",
  summary:
    "End the sessions of a user (or of an address, of the old ports) and free the boards he has; he may come back behind everyone waiting",
  options: [DATA_OPTION],
  examples: ["spinnaker-relay kick alice"],
  async run(parsed, io) {
    const name = hostName(parsed.positionals[0] ?? "") ?? userName(parsed)
    const { sessions, boards } = await askServer(dataDirectory(parsed, io), { command: "kick", name }, io)
    if (sessions === 0 && boards.length === 0) {
      throw new CliError(`${name} has no session and no board: spinnaker-relay status lists who has`)
    }
    const freed = boards.length > 0 ? `, ${boards.join(", ")} freed` : ""
    io.stderr(`${name}: ${counted(sessions, "session")} ended${freed}\n`)
    return 0
  },
}

/** A user of the old ports is an address, as the status shows it: of IPv6 in brackets. */
function hostName(typed: string): string | undefined {
  const host = typed.replace(/^\[(.*)\]$/, "$1")
  if (!isIpLiteral(host)) return undefined
  return host.includes(":") ? `[${host}]` : host
}
