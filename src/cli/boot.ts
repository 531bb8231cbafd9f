/** `spinnaker-relay boot`: the whole boot procedure, with a person watching. */
import {
  type BootFailure,
  type BootOutcome,
  type BootStep,
  type BootTimes,
  bootBoard,
} from "../connections/boot-board.ts"
import { BOARD_VALUES, type BoardType, withBootValues } from "../connections/boot-values.ts"
import { cyclePower, type PowerOptions } from "../connections/power.ts"
import { describeVersion } from "../protocol/version.ts"
import {
  CliError,
  type Command,
  type CommandIo,
  choiceOption,
  numberOption,
  type Parsed,
  UsageError,
} from "./command.ts"
import { inWords } from "./failure.ts"
import { readFile } from "./files.ts"
import { MACHINE_OPTIONS, type MachineTarget, machineTarget, splitPort } from "./machine-target.ts"
import { parseBoards } from "./numbers.ts"
import { describePowerStep } from "./power.ts"
import { ProgressBar } from "./progress.ts"

/** Exit codes of this command. */
export const BOOT_EXIT = { booted: 0, alreadyBooted: 1, failed: 2 } as const

/** What tests replace. */
export interface BootCommandParts {
  readonly times?: Partial<BootTimes>
  readonly cycle?: (options: PowerOptions) => Promise<void>
  /** Unix time in seconds. */
  readonly unixTime?: () => number
}

/** The command with parts replaced. */
export function makeBootCommand(parts: BootCommandParts = {}): Command {
  return {
    name: "boot",
    positionals: "<host>",
    summary: "Boot a board, and see that it has. Exit code 0: booted, 1: it was already, 2: failed",
    options: [
      { name: "image", value: "FILE", description: "The boot image, such as scamp.boot of spinnaker_tools" },
      {
        name: "type",
        value: "spin3|spin5",
        default: "spin5",
        description: "Which board it is (also spin1, spin2, spin4)",
      },
      { name: "tries", value: "COUNT", default: "3", description: "Times that the image is sent at most" },
      { name: "gap", value: "MS", default: "50", description: "Between two datagrams; too short loses blocks" },
      {
        name: "bmp",
        value: "ADDRESS",
        description: "If the boot fails, switch the board off and on here and try again",
      },
      { name: "boards", value: "N,N", default: "0", description: "With --bmp: which boards of its frame" },
      ...MACHINE_OPTIONS,
    ],
    examples: [
      "spinnaker-relay boot 192.168.240.1 --image scamp.boot",
      "spinnaker-relay boot localhost --image scamp.boot --type spin3 --bmp 192.168.240.0",
    ],
    run: (parsed, io) => runBoot(parsed, io, parts),
  }
}

export const bootCommand: Command = makeBootCommand()

async function runBoot(parsed: Parsed, io: CommandIo, parts: BootCommandParts): Promise<number> {
  const target = machineTarget(parsed)
  const bmp = parsed.value("bmp") === undefined ? undefined : splitPort(parsed.value("bmp") ?? "")
  const boards = parseBoards(parsed.value("boards") ?? "")
  const type = choiceOption(parsed, "type", Object.keys(BOARD_VALUES) as BoardType[])
  const tries = numberOption(parsed, "tries", { min: 1, max: 100, integer: true })
  const gapMs = numberOption(parsed, "gap", { min: 0, max: 10_000 })
  const image = await bootImage(parsed, type, parts.unixTime?.() ?? Math.floor(Date.now() / 1000))
  const bar = new ProgressBar(io)
  const boot = () =>
    bootBoard({ ...target, image, tries, times: { gapMs, ...parts.times }, signal: io.stop, onStep: showStep(bar) })
  const doing = { what: `Boot of ${target.host}`, label: target.label, exitCode: BOOT_EXIT.failed }
  try {
    let outcome = await inWords(io, doing, boot)
    if (outcome.kind === "failed" && outcome.reason !== "bmp" && bmp) {
      bar.say(`${outcome.detail}; switching the board off and on`)
      const onStep: PowerOptions["onStep"] = (step) => bar.say(describePowerStep(step))
      const power = { bmp: bmp.host, port: bmp.port, boards, signal: io.stop, onStep }
      await inWords(io, { ...doing, what: "Switching off and on", label: parsed.value("bmp") ?? "" }, () =>
        (parts.cycle ?? cyclePower)(power),
      )
      outcome = await inWords(io, doing, boot)
    }
    bar.end()
    return conclude(outcome, target, io, bmp !== undefined)
  } finally {
    bar.end()
  }
}

async function bootImage(parsed: Parsed, type: BoardType, unixTime: number): Promise<Uint8Array> {
  const file = parsed.value("image")
  if (!file) throw new UsageError("--image is missing: name a boot image, such as scamp.boot of spinnaker_tools")
  const bytes = await readFile(file, BOOT_EXIT.failed)
  try {
    return withBootValues(bytes, type, unixTime)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CliError(`${file}: ${why}. Is it a boot image?`, BOOT_EXIT.failed, { cause: error })
  }
}

function showStep(bar: ProgressBar): (step: BootStep) => void {
  let said: string | undefined
  const once = (text: string) => {
    if (text !== said) bar.say(text)
    said = text
  }
  return (step) => {
    switch (step.doing) {
      case "asking":
        return once("asking whether it is booted already")
      case "sending":
        return bar.update(
          `sending${step.attempt > 1 ? ` (try ${step.attempt})` : ""}`,
          step.done,
          step.total,
          "datagrams",
        )
      case "waiting":
        return once(`waiting for SC&MP${step.attempt > 1 ? ` (try ${step.attempt})` : ""}`)
      case "starting":
        return once(`${describeVersion(step.version)} answers; waiting for its network to be up`)
      default:
        return step satisfies never
    }
  }
}

function conclude(outcome: BootOutcome, target: MachineTarget, io: CommandIo, powered: boolean): number {
  switch (outcome.kind) {
    case "booted": {
      const tries = outcome.attempts === 1 ? "at the first try" : `at try ${outcome.attempts}`
      const seconds = (outcome.durationMs / 1000).toFixed(1)
      io.stdout(`${target.host}: booted ${tries} in ${seconds} s: ${describeVersion(outcome.version)}\n`)
      return BOOT_EXIT.booted
    }
    case "already-booted":
      io.stdout(`${target.host}: already booted: ${describeVersion(outcome.version)}\n`)
      return BOOT_EXIT.alreadyBooted
    case "failed": {
      const advice = powered && outcome.reason !== "bmp" ? POWERED_ADVICE : ADVICE[outcome.reason](target)
      throw new CliError(`Boot of ${target.host} failed: ${outcome.detail}. ${advice}`, BOOT_EXIT.failed)
    }
    default:
      return outcome satisfies never
  }
}

const RESET =
  'only switching it off and on clears a boot ROM that is filled in part: "spinnaker-relay power BMP cycle", or boot with --bmp BMP'

const POWERED_ADVICE = "It had been switched off and on before the last tries: see cables, board number and image."

/** What to do about each failure. */
const ADVICE: Readonly<Record<BootFailure, (target: MachineTarget) => string>> = {
  "no-answer": ({ label }) => `"spinnaker-relay info ${label}" tells what is there. If it is the board, ${RESET}.`,
  refused: () => "If a relay should listen there, start it; if its boot port is another, give --boot-port.",
  stuck: () => `A link or a neighbouring board may hold it up; ${RESET}.`,
  bmp: () => "A board's address is by convention its BMP's plus one.",
}
