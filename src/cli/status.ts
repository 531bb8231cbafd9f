/** `spinnaker-relay status`: how the server on this machine stands. */

import type { StatusReport } from "../observe/status.ts"
import type { Command } from "./command.ts"
import { askServer, watchServer } from "./control-client.ts"
import { DATA_OPTION, dataDirectory } from "./data-directory.ts"
import { describeStatus } from "./status-text.ts"

/** Back to the first place of a terminal, and the rest of it cleared. */
const CLEAR = "\u001b[H\u001b[J"

export const statusCommand: Command = {
  name: "status",
  positionals: "",
  summary: "Tell how the server on this machine stands: boards, users, leases, what was lost",
  options: [
    { name: "json", description: "Print one JSON object (with --watch: one a line, each second)" },
    { name: "watch", description: "Print it each second, until Ctrl-C" },
    DATA_OPTION,
  ],
  examples: ["spinnaker-relay status", "spinnaker-relay status --json", "spinnaker-relay status --watch"],
  async run(parsed, io) {
    const [json, watch] = [parsed.flag("json"), parsed.flag("watch")]
    const directory = dataDirectory(parsed, io)
    const print = (report: StatusReport): string => (json ? `${JSON.stringify(report)}\n` : describeStatus(report))
    if (!watch) io.stdout(print(await askServer(directory, { command: "status" }, io)))
    else {
      const before = json ? "" : io.stdoutIsTerminal === true ? CLEAR : "\n"
      await watchServer(directory, io, (report) => io.stdout(`${before}${print(report)}`))
    }
    return 0
  },
}
