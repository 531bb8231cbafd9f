/** What each board was when last heard of, told from events that pass. */
import { peerHost } from "../transport/address.ts"
import type { Event } from "./events.ts"
import type { Observer } from "./observer.ts"
import type { BoardReport } from "./status.ts"

/** What is known of a board. */
export type BoardCondition = Pick<BoardReport, "state" | "software">

/** Boards that are remembered; names come from a configuration, so this bounds only what nobody serves any more. */
const MAX_BOARDS = 256

/** Looks at events on their way to an observer. */
export class BoardWatch implements Observer {
  readonly #boards = new Map<string, { readonly condition: BoardCondition; readonly turn: number }>()
  #turn = 0

  constructor(private readonly observer: Observer) {}

  /** The latest that was heard of a board by any of its names: some events know its address only. */
  of(...names: readonly string[]): BoardCondition {
    const known = names.flatMap((name) => this.#boards.get(name) ?? [])
    return known.sort((a, b) => b.turn - a.turn)[0]?.condition ?? { state: "unknown" }
  }

  event(event: Event): void {
    switch (event.type) {
      case "board-version":
        this.#note(event.board, { state: event.booting ? "booting" : "booted", software: event.version })
        break
      case "boot-answered":
        this.#note(event.board, { state: "booted", software: event.version })
        break
      case "boot-begun":
        this.#note(event.board, { state: "booting" })
        break
      case "boot-failed":
      case "board-unbooted":
        this.#note(event.board, { state: "unbooted" })
        break
      case "target-unreachable":
        this.#note(peerHost(event.target), { state: "unreachable" })
        break
      case "target-back":
        this.#note(peerHost(event.target), { state: "unknown" })
        break
      default:
    }
    this.observer.event(event)
  }

  drop(...args: Parameters<Observer["drop"]>): void {
    this.observer.drop(...args)
  }

  #note(board: string, condition: BoardCondition): void {
    if (this.#boards.size >= MAX_BOARDS && !this.#boards.has(board)) return
    this.#boards.set(board, { condition, turn: this.#turn++ })
  }
}
