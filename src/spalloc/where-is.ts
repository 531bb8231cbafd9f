/** Answers to `where_is`. Source: the spalloc facts §9. */
import { modulo } from "./geometry.ts"
import type { Machine } from "./machine.ts"
import type { ChipPlace, WhereIsQuery, WhereIsReply } from "./types.ts"

/** A live job with boards. */
export interface PlacedJob {
  readonly machine: Machine
  /** Ascending. */
  readonly boards: readonly number[]
}

/** Finds a board or chip; null where there is none. */
export function whereIs(
  query: WhereIsQuery,
  machines: ReadonlyMap<string, Machine>,
  jobAt: (id: number) => PlacedJob | undefined,
): WhereIsReply | null {
  if (query.by === "job") {
    const job = jobAt(query.jobId)
    if (!job) return null
    const [x, y] = job.machine.torus.ethernetChip(job.boards[0]!)
    const found = at(job.machine, x + query.chipX, y + query.chipY, jobAt)
    return found?.job_id === query.jobId ? found : null
  }
  const machine = machines.get(query.machine)
  if (!machine) return null
  switch (query.by) {
    case "chip":
      return at(machine, query.chipX, query.chipY, jobAt)
    case "physical": {
      const board = machine.boardAt(query.cabinet, query.frame, query.board)
      return board === undefined ? null : answer(machine, board, [0, 0], jobAt)
    }
    case "logical": {
      const { width, height } = machine.torus
      if (![query.x, query.y].every(Number.isInteger)) return null
      // As the Python servers: coordinates go round the machine, and a z that no board has means board 0.
      const z = query.z === 1 || query.z === 2 ? query.z : 0
      return answer(machine, machine.torus.board(modulo(query.x, width), modulo(query.y, height), z), [0, 0], jobAt)
    }
  }
}

function at(
  machine: Machine,
  chipX: number,
  chipY: number,
  jobAt: (id: number) => PlacedJob | undefined,
): WhereIsReply | null {
  if (!Number.isInteger(chipX) || !Number.isInteger(chipY)) return null
  const { board, boardChip } = machine.torus.boardOfChip(chipX, chipY)
  return answer(machine, board, boardChip, jobAt)
}

function answer(
  machine: Machine,
  board: number,
  boardChip: ChipPlace,
  jobAt: (id: number) => PlacedJob | undefined,
): WhereIsReply | null {
  const physical = machine.physicalOf(board)
  if (!physical) return null
  const { torus } = machine
  const jobId = machine.holders.get(board)
  const job = jobId === undefined ? undefined : jobAt(jobId)
  const [x, y] = torus.ethernetChip(board)
  const [dx, dy] = boardChip
  return {
    machine: machine.name,
    logical: torus.place(board),
    physical,
    chip: [(x + dx) % torus.chipWidth, (y + dy) % torus.chipHeight],
    board_chip: boardChip,
    job_id: jobId ?? null,
    job_chip: job ? jobChip(job, board, boardChip) : null,
  }
}

function jobChip({ machine, boards }: PlacedJob, board: number, [dx, dy]: ChipPlace): ChipPlace {
  const { width, height } = machine.torus.jobSize(boards)
  const [x, y] = machine.torus.jobChip(board, boards[0]!)
  return [modulo(x + dx, width), modulo(y + dy, height)]
}
