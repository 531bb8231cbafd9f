/** Tells the log how a boot goes: begun, sent whole or with holes. It looks only; delivery is other stages' work. */
import { BOOT_HEADER, BootOpcode, blockNumber, decodeBoot, startBlocks } from "../protocol/boot.ts"
import type { Link } from "../transport/link.ts"
import type { Board } from "./board.ts"
import type { Flow, Stage } from "./flow.ts"
import { StageLink } from "./stage-link.ts"

class WatchedBoot extends StageLink {
  #total = 0
  #begunAt = 0
  #bytes = 0
  readonly #blocks = new Set<number>()

  constructor(
    inner: Link,
    private readonly flow: Flow,
    private readonly board: Board,
  ) {
    super(inner, board.observer)
  }

  protected override outward(datagram: Uint8Array): void {
    this.#look(datagram)
    super.outward(datagram)
  }

  #look(datagram: Uint8Array): void {
    const message = decodeBoot(datagram)
    if (!message) return
    const { observer, clock, name: board } = this.board
    const { application } = this.flow
    switch (message.opcode) {
      case BootOpcode.start:
        this.#total = startBlocks(message)
        this.#begunAt = clock.now()
        this.#bytes = 0
        this.#blocks.clear()
        observer.event({ type: "boot-begun", board, application, blocks: this.#total })
        return
      case BootOpcode.block: {
        const number = blockNumber(message)
        if (this.#blocks.has(number)) return
        this.#blocks.add(number)
        this.#bytes += datagram.length - BOOT_HEADER
        observer.event({ type: "boot-progress", board, application, done: this.#blocks.size, total: this.#total })
        return
      }
      case BootOpcode.end: {
        const missing = Array.from({ length: this.#total }, (_, block) => block).filter((b) => !this.#blocks.has(b))
        if (this.#total === 0) return
        if (missing.length > 0) {
          observer.event({ type: "boot-incomplete", board, application, missing, total: this.#total })
        } else {
          const durationMs = clock.now() - this.#begunAt
          observer.event({ type: "boot-sent", board, application, blocks: this.#total, bytes: this.#bytes, durationMs })
        }
        return
      }
    }
  }
}

/** The stage. */
export function watchBoot(board: Board): Stage {
  return (link, flow) => new WatchedBoot(link, flow, board)
}
