/** `spinnaker-relay power`: switches boards on and off through their BMP. */
import { cyclePower, type PowerStep, setPower } from "../connections/power.ts"
import type { Clock } from "../transport/clock.ts"
import { type Command, type CommandIo, type Parsed, UsageError } from "./command.ts"
import { inWords } from "./failure.ts"
import { MACHINE_OPTIONS, machineTarget } from "./machine-target.ts"
import { parseBoards } from "./numbers.ts"

/** The command on a clock; `undefined` is the machine's own. */
export function makePowerCommand(clock?: Clock): Command {
  return {
    name: "power",
    positionals: "<bmp> <on|off|cycle>",
    summary: "Switch boards on or off through their BMP (by convention the board's address less one)",
    options: [
      { name: "boards", value: "N,N", default: "0", description: "Which boards of its frame, 0 to 23" },
      ...MACHINE_OPTIONS,
    ],
    examples: ["spinnaker-relay power 192.168.240.0 cycle", "spinnaker-relay power bmp.example on --boards 0,1"],
    run: (parsed, io) => runPower(parsed, io, clock),
  }
}

export const powerCommand: Command = makePowerCommand()

async function runPower(parsed: Parsed, io: CommandIo, clock: Clock | undefined): Promise<number> {
  const target = machineTarget(parsed)
  const [, action = ""] = parsed.positionals
  if (action !== "on" && action !== "off" && action !== "cycle") {
    throw new UsageError(`${JSON.stringify(action)}: expected on, off or cycle`)
  }
  const boards = parseBoards(parsed.value("boards") ?? "")
  const options = {
    bmp: target.host,
    port: target.scpPort,
    boards,
    clock,
    signal: io.stop,
    onStep: (step: PowerStep) => io.stderr(`${describePowerStep(step)}\n`),
  }
  const names = `board${boards.length === 1 ? "" : "s"} ${boards.join(",")}`
  const what = `Power ${action} of ${names} (the request is never repeated: a second "on" would reset them)`
  await inWords(io, { what, label: target.label, bmp: true }, () =>
    action === "cycle" ? cyclePower(options) : setPower(action, options),
  )
  io.stderr(`${names}: ${action === "off" ? "off" : "on"}\n`)
  return 0
}

/** "switching on, up to 10 s". */
export function describePowerStep(step: PowerStep): string {
  return `${step.doing}, ${step.doing.startsWith("switching") ? "up to " : ""}${step.waitMs / 1000} s`
}
