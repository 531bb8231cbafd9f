/** `spinnaker-relay reload`: the server reads its configuration again; no session ends. */
import type { Command } from "./command.ts"
import { askServer } from "./control-client.ts"
import { DATA_OPTION, dataDirectory } from "./data-directory.ts"

export const reloadCommand: Command = {
  name: "reload",
  positionals: "",
  summary: "Have the server on this machine read its configuration file again; no session ends",
  options: [DATA_OPTION],
  examples: ["spinnaker-relay reload"],
  async run(parsed, io) {
    const { changes } = await askServer(dataDirectory(parsed, io), { command: "reload" }, io)
    io.stderr(changes.length === 0 ? "Nothing has changed.\n" : changes.map((line) => `${line}\n`).join(""))
    return 0
  },
}
