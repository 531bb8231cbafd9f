/** A board at the end of faulty lines, a server's stages before it, and clients that boot through them: all on one fake clock. */
import { LineBoard } from "../../src/fake-board/line-board.ts"
import { paceBoot } from "../../src/relay/boot-pacer.ts"
import type { Flow, Stage } from "../../src/relay/flow.ts"
import { guardScp } from "../../src/relay/scp-guard.ts"
import type { Link } from "../../src/transport/link.ts"
import { type LineFaults, memoryPair } from "../../src/transport/memory.ts"
import { type Random, seededRandom } from "../../src/transport/random.ts"
import { FakeClock } from "./fake-clock.ts"
import { joinLinks } from "./join-links.ts"
import { RecordingObserver } from "./recording-observer.ts"

/** What the lines do, and whether the server has its stages. */
export interface BootBenchOptions {
  seed?: number
  guarded?: boolean
  /** Between client and server. */
  internet?: LineFaults
  /** Between server and board. */
  lan?: LineFaults
  romGapMs?: number
  booted?: boolean
}

/** One board and what leads to it. */
export class BootBench {
  readonly clock = new FakeClock()
  readonly observer = new RecordingObserver()
  readonly lines: LineBoard
  readonly #random: Random
  readonly #options: BootBenchOptions
  readonly #bootStage: Stage
  readonly #scpStage: Stage
  #flows = 0

  constructor(options: BootBenchOptions = {}) {
    this.#options = options
    const { clock, observer } = this
    this.#random = seededRandom(options.seed ?? 1)
    const context = this.#context
    this.lines = new LineBoard(context, { bootGapMs: options.romGapMs ?? 8, booted: options.booted ?? false })
    const { lan = {} } = options
    const board = { name: "board", clock, random: this.#random, observer }
    const bare: Stage = (link) => link
    const guarded = options.guarded ?? true
    this.#bootStage = guarded ? paceBoot({ board, dialScp: () => this.lines.scp.dial(undefined, lan) }) : bare
    this.#scpStage = guarded ? guardScp({ clock, observer }) : bare
  }

  get #context() {
    return { clock: this.clock, random: this.#random, drops: this.observer }
  }

  /** A client's two links: through internet, stages and LAN to the board. */
  client(name = `client${++this.#flows}`): { boot: Link; scp: Link } {
    const { internet = {}, lan = {} } = this.#options
    const through = (channel: "boot" | "scp", stage: Stage): Link => {
      const [near, far] = memoryPair(this.#context, { first: name, second: "server" }, internet)
      const flow: Flow = { id: ++this.#flows, owner: name, application: name }
      joinLinks(far, stage(this.lines[channel].dial(undefined, lan), flow))
      return near
    }
    return { boot: through("boot", this.#bootStage), scp: through("scp", this.#scpStage) }
  }

  /** Lets time pass in steps until `over` says so or `limitMs` is up; true if it did. */
  until(over: () => boolean, limitMs = 120_000): boolean {
    for (let passed = 0; passed < limitMs && !over(); passed += 50) this.clock.advance(50)
    return over()
  }
}
