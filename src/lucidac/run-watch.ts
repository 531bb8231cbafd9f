/**
 * One run on several devices: which of them have finished, which chunks are missing, and until when it has to be over.
 * Pure.
 */

/** A run that says when it ends must be over this long after, or after its last sign of life. */
export const RUN_GRACE_MS = 10_000
/** And this long after in any case: samples that were buffered on the way have come by then. */
export const RUN_LIMIT_MS = 60_000

/** Chunks that a client does not get. */
export interface ChunkLoss {
  readonly backend: number
  readonly carrier: string
  /** `gap`: they never came here. `full`: the client reads too slowly for them. */
  readonly cause: "gap" | "full"
  count: number
}

/** What a state change of one device means for the run. */
export type RunVerdict = "going-on" | "over" | "failed" | "ignored"

/** The life of one run. */
export class RunWatch {
  readonly id: string
  /** Devices that have not finished yet. */
  readonly #pending: Set<number>
  readonly #expected = new Map<string, number>()
  #losses: ChunkLoss[] = []
  #over = false
  #failed = false
  /** How long it takes; undefined for a run without an end of its own. */
  readonly #durationMs: number | undefined
  #lastSign: number
  #begun: number
  /** The client has been told that the run was accepted. */
  accepted = false
  lostTotal = 0
  /** When the oldest of the losses that nobody has taken yet was noted. */
  lostSince = 0
  chunks = 0

  constructor(id: string, backends: readonly number[], durationMs: number | undefined, now: number) {
    this.id = id
    this.#pending = new Set(backends)
    this.#durationMs = durationMs
    this.#begun = now
    this.#lastSign = now
  }

  get over(): boolean {
    return this.#over
  }

  get pending(): readonly number[] {
    return [...this.#pending]
  }

  /** When it is overdue; undefined for a run that says no end, or is over. */
  get deadline(): number | undefined {
    if (this.#over || this.#durationMs === undefined) return undefined
    const planned = this.#begun + this.#durationMs
    return Math.min(Math.max(planned, this.#lastSign) + RUN_GRACE_MS, planned + RUN_LIMIT_MS)
  }

  /** It begins only now: the devices were busy with the run before it. */
  begins(now: number): void {
    this.#begun = now
    this.#lastSign = now
  }

  /** A chunk has come; notes a gap before it. `carrier` is whose count it is in. */
  chunk(backend: number, carrier: string, number: number, now: number): void {
    this.#lastSign = now
    this.chunks++
    const expected = this.#expected.get(carrier)
    // The first of a carrier is 0.
    if (number > (expected ?? 0)) this.lost({ backend, carrier, cause: "gap", count: number - (expected ?? 0) }, now)
    if (expected === undefined || number >= expected) this.#expected.set(carrier, number + 1)
    else this.#found(carrier)
  }

  /** A chunk that counted as missing has come after all. */
  #found(carrier: string): void {
    const gap = this.#losses.find((loss) => loss.carrier === carrier && loss.cause === "gap" && loss.count > 0)
    if (!gap) return
    gap.count--
    this.lostTotal--
  }

  /** Takes note of chunks that the client will not get. */
  lost(loss: ChunkLoss, now: number): void {
    if (this.#losses.length === 0) this.lostSince = now
    this.lostTotal += loss.count
    const same = this.#losses.find(({ carrier, cause }) => carrier === loss.carrier && cause === loss.cause)
    if (same) same.count += loss.count
    else this.#losses.push({ ...loss })
  }

  /** The losses since the last call. */
  takeLosses(): ChunkLoss[] {
    if (this.#losses.length === 0) return []
    return this.#losses.splice(0).filter(({ count }) => count > 0)
  }

  /** A device says that it has finished. The first failure is the run's end; what follows it is ignored. */
  finished(backend: number, how: "done" | "error", now: number): RunVerdict {
    this.#lastSign = now
    if (this.#failed) return "ignored"
    if (how === "error") {
      this.#failed = true
      this.#over = true
      return "failed"
    }
    if (this.#over || !this.#pending.delete(backend)) return "ignored"
    if (this.#pending.size > 0) return "going-on"
    this.#over = true
    return "over"
  }

  /** Any other state change. */
  sign(now: number): void {
    this.#lastSign = now
  }

  /** A device is gone and will never finish. */
  withdrawn(backend: number): RunVerdict {
    if (this.#over || !this.#pending.delete(backend) || this.#pending.size > 0) return "going-on"
    this.#over = true
    return "over"
  }

  /** It is over, whatever the devices say. */
  end(): void {
    this.#over = true
    this.#failed = true
  }
}
