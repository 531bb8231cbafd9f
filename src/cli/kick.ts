/** `spinnaker-relay kick`: ends a user's sessions and takes his boards; he may come back. */
import { CliError, type Command } from "./command.ts"
import { askServer } from "./control-client.ts"
import { DATA_OPTION, dataDirectory } from "./data-directory.ts"
import { userName } from "./invite.ts"
import { counted } from "./table.ts"

export const kickCommand: Command = {
  name: "kick",
  positionals: "<name>",
  summary: "End a user's sessions and free the boards he has; he may come back behind everyone waiting",
  options: [DATA_OPTION],
  examples: ["spinnaker-relay kick alice"],
  async run(parsed, io) {
    const name = userName(parsed)
    const { sessions, boards } = await askServer(dataDirectory(parsed, io), { command: "kick", name }, io)
    if (sessions === 0 && boards.length === 0) {
      throw new CliError(`${name} has no session and no board: spinnaker-relay status lists who has`)
    }
    const freed = boards.length > 0 ? `, ${boards.join(", ")} freed` : ""
    io.stderr(`${name}: ${counted(sessions, "session")} ended${freed}\n`)
    return 0
  },
}
