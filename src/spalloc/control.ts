/** What the operator asks of a running spalloc server over its control endpoint: what is no matter of its clients. */
import { isJsonObject } from "../protocol/json-lines.ts"
import type { ControlPeer } from "../transport/control-listener.ts"
import type { FailingBoard } from "./board-service.ts"
import { type BoardPlace, CommandError, type MachineRecord } from "./types.ts"

/** A request, as it stands on its line. */
export type SpallocControlRequest =
  | { readonly command: "boards" }
  | { readonly command: "restore"; readonly machine: string; readonly board: BoardPlace }

/** A reply, as it stands on its line: the failing boards, or null for a board that is restored. */
export type SpallocControlReply =
  | { readonly ok: true; readonly result: readonly FailingBoard[] | null }
  | { readonly ok: false; readonly error: string }

/** What answers are made from: a SpallocServer. */
export interface BoardsControl {
  readonly machines: readonly MachineRecord[]
  readonly failingBoards: readonly FailingBoard[]
  /** False if the board is in service. */
  restoreBoard(machine: string, board: BoardPlace): boolean
}

/** Answers what comes to a ControlListener. */
export function spallocControlAnswers(boards: BoardsControl): (said: unknown, peer: ControlPeer) => void {
  return (said, peer) => {
    peer.send(answer(said, boards))
    peer.done()
  }
}

function answer(said: unknown, boards: BoardsControl): SpallocControlReply {
  try {
    return { ok: true, result: perform(readRequest(said), boards) }
  } catch (error) {
    if (error instanceof CommandError) return { ok: false, error: error.message }
    return { ok: false, error: `a fault in the program itself, please report it: ${(error as Error)?.stack ?? error}` }
  }
}

function perform(request: SpallocControlRequest, boards: BoardsControl): readonly FailingBoard[] | null {
  switch (request.command) {
    case "boards":
      return boards.failingBoards
    case "restore":
      restore(request.machine, request.board, boards)
      return null
  }
}

function restore(name: string, place: BoardPlace, boards: BoardsControl): void {
  const { machines } = boards
  const machine = machines.find((one) => one.name === name)
  if (!machine) {
    const known = machines.map((one) => one.name).join(", ") || "none"
    throw new CommandError(`There is no machine ${JSON.stringify(name)}; the server has: ${known}.`)
  }
  const { width, height, dead_boards } = machine
  const [x, y, z] = place
  const board = `Board ${place.join(" ")} of ${name}`
  if (x >= width || y >= height || z > 2)
    throw new CommandError(`${board} is outside it: it has ${width}x${height} triads.`)
  if (boards.restoreBoard(name, place)) return
  if (dead_boards.some((dead) => dead.join() === place.join())) {
    throw new CommandError(`${board} is dead in the configuration: take it out of dead-boards there, then send SIGHUP.`)
  }
  throw new CommandError(`${board} is in service.`)
}

function readRequest(said: unknown): SpallocControlRequest {
  const { command, machine, board } = isJsonObject(said) ? said : {}
  if (command === "boards") return { command }
  if (command === "restore" && typeof machine === "string" && isPlace(board)) return { command, machine, board }
  throw new CommandError("the request is not understood: are both programs of the same version?")
}

function isPlace(said: unknown): said is BoardPlace {
  return Array.isArray(said) && said.length === 3 && said.every((part) => Number.isSafeInteger(part) && part >= 0)
}
