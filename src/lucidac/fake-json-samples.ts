/** Samples of a fake device of the older generation: rows of physical values in JSON. */
import { encodeJsonLine } from "../protocol/json-lines.ts"
import { AMPLITUDE, type SampleSource, waveValue } from "./fake-samples.ts"

/** One run's messages of samples; the path of a carrier becomes an entity of MAC and cluster 0. */
export class JsonSampleSource implements SampleSource {
  readonly #runId: string
  readonly #entity: readonly string[]
  readonly #channels: number

  constructor(runId: string, path: string, channels: number) {
    this.#runId = runId
    this.#entity = [path.replace(/^\//, ""), "0"]
    this.#channels = channels
  }

  encode(_chunk: number, first: number, count: number): Uint8Array {
    const data = Array.from({ length: count }, (_, index) => this.#row(first + index))
    return encodeJsonLine({ type: "run_data", msg: { id: this.#runId, entity: this.#entity, data } })
  }

  encodeEnd(_chunk: number, sample: number): Uint8Array {
    const msg = { id: this.#runId, entity: this.#entity, data: [this.#row(sample)], state: "OP_END" }
    return encodeJsonLine({ type: "run_data", msg })
  }

  #row(sample: number): number[] {
    return Array.from({ length: this.#channels }, (_, channel) => waveValue(sample, channel) / AMPLITUDE)
  }
}
