/** `spinnaker-relay revoke`: a user's keys are good no more. */
import type { Command } from "./command.ts"
import { askServerOrKeys } from "./control-client.ts"
import { DATA_OPTION, dataDirectory } from "./data-directory.ts"
import { userName } from "./invite.ts"
import { counted } from "./table.ts"

export const revokeCommand: Command = {
  name: "revoke",
  positionals: "<name>",
  summary: "Take all keys of a user, or the one KEY that invites lists, and end their sessions at once",
  options: [DATA_OPTION],
  examples: ["spinnaker-relay revoke alice", "spinnaker-relay revoke 1f3a5c7e9b2d4f60"],
  async run(parsed, io) {
    const name = userName(parsed)
    const request = { command: "revoke", name } as const
    const { result, running } = await askServerOrKeys(dataDirectory(parsed, io), request, io)
    const sessions = running ? `, ${counted(result.sessions, "session")} ended` : "; no server runs here now"
    io.stderr(`${name}: ${counted(result.keys, "key")} taken${sessions}\n`)
    return 0
  },
}
