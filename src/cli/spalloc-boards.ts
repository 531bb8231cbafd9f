/** `spinnaker-relay spalloc boards|restore`: boards that failed, for the operator on the server's machine. */
import type { FailingBoard } from "../spalloc/board-service.ts"
import type { SpallocControlRequest } from "../spalloc/control.ts"
import type { BoardPlace } from "../spalloc/types.ts"
import { CliError, type Command, type CommandIo, type Parsed, UsageError } from "./command.ts"
import { askRunning } from "./control-client.ts"
import { STATE_OPTION, spallocControlAddress, spallocState } from "./spalloc-state.ts"
import { table } from "./table.ts"

const SERVER_OPTION = {
  ...STATE_OPTION,
  description: "The --state of the server, if it was given one (default: in the user's state directory)",
}

export const spallocBoardsCommand: Command = {
  name: "spalloc boards",
  positionals: "",
  summary: "List the boards that failed: how often in a row, and which are out of service for it",
  options: [SERVER_OPTION, { name: "json", description: "Print JSON instead of a table" }],
  examples: ["spinnaker-relay spalloc boards"],
  async run(parsed, io) {
    const boards = (await ask({ command: "boards" }, parsed, io)) as readonly FailingBoard[]
    if (parsed.flag("json")) io.stdout(`${JSON.stringify(boards)}\n`)
    else io.stdout(boards.length === 0 ? "All boards came up the last time.\n" : boardTable(boards))
    return 0
  },
}

export const spallocRestoreCommand: Command = {
  name: "spalloc restore",
  positionals: "<machine> <x> <y> <z>",
  summary: "Put a board back into service that failed three times in a row",
  options: [SERVER_OPTION],
  examples: ["spinnaker-relay spalloc restore rack1 0 0 1"],
  async run(parsed, io) {
    const [machine = "", ...place] = parsed.positionals
    const board = place.map(wholeNumber) as unknown as BoardPlace
    await ask({ command: "restore", machine, board }, parsed, io)
    io.stderr(`Board ${board.join(" ")} of ${machine} is in service again.\n`)
    return 0
  },
}

/** What the server of the state answers. */
async function ask(request: SpallocControlRequest, parsed: Parsed, io: CommandIo): Promise<unknown> {
  const state = spallocState(parsed, io)
  if (state === ":memory:") throw new UsageError("a server with --state :memory: (as with --fake) cannot be asked")
  let answer: unknown
  const endpoint = { address: spallocControlAddress(state), server: `The spalloc server of the state ${state}` }
  const done = await askRunning(endpoint, request, io, (result) => {
    answer = result
    return false
  })
  if (done) return answer
  throw new CliError(
    `No spalloc server runs here with the state ${state}: run this on its machine as the user who started it, and name its --state if it has one.`,
  )
}

function boardTable(boards: readonly FailingBoard[]): string {
  const rows = boards.map(({ machine, board, physical, bmp, failures, outOfService }) => [
    machine,
    board.join(" "),
    physical.join(" "),
    bmp,
    `${failures}`,
    outOfService === null ? "in service" : `out of service: ${outOfService}`,
  ])
  return table(["Machine", "Board", "Cabinet Frame Board", "BMP", "Failures", "State"], rows)
}

function wholeNumber(text: string, index: number): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new UsageError(`${"xyz"[index]} ${JSON.stringify(text)}: expected a whole number`)
}
