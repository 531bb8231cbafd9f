/** `spinnaker-relay info`: what is at an address, and of what a machine there consists. */
import type { IdentifyOptions } from "../connections/identify.ts"
import { lookAt } from "../connections/look-at.ts"
import type { Command, CommandIo, Parsed } from "./command.ts"
import { inWords } from "./failure.ts"
import { describeLook, lookAsJson } from "./info-text.ts"
import { MACHINE_OPTIONS, machineTarget } from "./machine-target.ts"
import { ProgressBar } from "./progress.ts"

/** The command with other waits than a person's. */
export function makeInfoCommand(waits: Pick<IdentifyOptions, "ask" | "helloWaitMs" | "helloPort"> = {}): Command {
  return {
    name: "info",
    positionals: "<host>",
    summary: "Tell what is at an address: a board and its state, a BMP, nothing",
    options: [{ name: "json", description: "Print one JSON object" }, ...MACHINE_OPTIONS],
    examples: ["spinnaker-relay info 192.168.240.1", "spinnaker-relay info localhost --json"],
    run: (parsed, io) => runInfo(parsed, io, waits),
  }
}

export const infoCommand: Command = makeInfoCommand()

async function runInfo(
  parsed: Parsed,
  io: CommandIo,
  waits: Pick<IdentifyOptions, "ask" | "helloWaitMs" | "helloPort">,
): Promise<number> {
  const target = machineTarget(parsed)
  const bar = new ProgressBar(io)
  const onProgress = (done: number, total: number) => {
    if (io.isTerminal) bar.update("asking", done, total, "chips")
  }
  const { host, scpPort, bootPort, label } = target
  const look = await inWords(io, { what: `Looking at ${label}`, label }, () =>
    lookAt({ host, scpPort, bootPort, signal: io.stop, onProgress, ...waits }),
  ).finally(() => bar.end())
  io.stdout(parsed.flag("json") ? `${JSON.stringify(lookAsJson(target, look))}\n` : describeLook(target, look))
  return look.identity.kind === "no-answer" ? 1 : 0
}
