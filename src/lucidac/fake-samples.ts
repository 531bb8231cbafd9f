/** Samples as a device sends them, made fast: a message is a copy of the one before with other samples and number. */
import { ARM } from "./arm.ts"
import { encodeV1 } from "./envelope.ts"
import { writeVarint } from "./frame.ts"
import { encodePayload } from "./payload.ts"
import { RunDataMessageSchema } from "./proto/lucidac_pb.ts"
import { emptyField, nextField } from "./wire-fields.ts"

/** Samples of the wave before it begins anew. */
export const WAVE_SAMPLES = 4096
/** Samples in a full message: with 8 channels of 16 bits 1024 bytes, as the devices send. */
export const CHUNK_SAMPLES = 64
/** Largest value of the wave: half of what 16 bits hold. */
export const AMPLITUDE = 16_384

/** Where values of one sample lie: `channels` of them, then padding up to a power of two. */
export function strideOf(channels: number): number {
  let stride = 1
  while (stride < channels) stride *= 2
  return stride
}

/** The value of channel `channel` in sample `sample`: a sine with channel + 1 periods in 4096 samples. */
export function waveValue(sample: number, channel: number): number {
  return Math.round(AMPLITUDE * Math.sin((2 * Math.PI * (channel + 1) * (sample % WAVE_SAMPLES)) / WAVE_SAMPLES))
}

/** Bytes of the wave, with one message more at the end so that every message is one piece of it. */
function waveBytes(channels: number): Uint8Array {
  const stride = strideOf(channels)
  const values = new Int16Array((WAVE_SAMPLES + CHUNK_SAMPLES) * stride)
  for (let sample = 0; sample < WAVE_SAMPLES + CHUNK_SAMPLES; sample++) {
    for (let channel = 0; channel < channels; channel++) values[sample * stride + channel] = waveValue(sample, channel)
  }
  return new Uint8Array(values.buffer)
}

/** The messages of one run's samples of one carrier. */
export interface SampleSource {
  /** Message `chunk`, which begins with sample `first` and has `count` of them, at most 64. */
  encode(chunk: number, first: number, count: number): Uint8Array
  /** The final values, those of sample `sample`. */
  encodeEnd(chunk: number, sample: number): Uint8Array
}

/** The same as envelopes. */
export class SampleEncoder implements SampleSource {
  readonly #runId: string
  readonly #path: string
  readonly #channels: number
  readonly #stride: number
  readonly #wave: Uint8Array
  #template: { bytes: Uint8Array; chunkAt: number; chunkLength: number; dataAt: number } | undefined

  constructor(runId: string, path: string, channels: number) {
    this.#runId = runId
    this.#path = path
    this.#channels = channels
    this.#stride = strideOf(channels)
    this.#wave = waveBytes(channels)
  }

  encode(chunk: number, first: number, count: number): Uint8Array {
    const at = (first % WAVE_SAMPLES) * this.#stride * 2
    const data = this.#wave.subarray(at, at + count * this.#stride * 2)
    const template = this.#template
    const number = varint(chunk)
    // Chunk 0 has no number on the wire, a larger one may have more bytes than the template's.
    if (chunk === 0 || count !== CHUNK_SAMPLES || template?.chunkLength !== number.length) {
      const bytes = this.#full(ARM.runData, chunk, count, data)
      if (chunk > 0 && count === CHUNK_SAMPLES) {
        const chunkAt = valueAt(bytes, [101, ARM.runData, 1, 2])
        const dataAt = valueAt(bytes, [101, ARM.runData, 3, 1])
        this.#template = { bytes: bytes.slice(), chunkAt, chunkLength: number.length, dataAt }
      }
      return bytes
    }
    const bytes = template.bytes.slice()
    bytes.set(number, template.chunkAt)
    bytes.set(data, template.dataAt)
    return bytes
  }

  /** A 307. */
  encodeEnd(chunk: number, sample: number): Uint8Array {
    const at = (sample % WAVE_SAMPLES) * this.#stride * 2
    return this.#full(ARM.runDataEnd, chunk, 1, this.#wave.subarray(at, at + this.#stride * 2))
  }

  #full(arm: number, chunk: number, sampleCount: number, data: Uint8Array): Uint8Array {
    const payload = encodePayload(RunDataMessageSchema, {
      run: { id: this.#runId, chunk },
      entity: { path: this.#path },
      data: {
        data,
        type: { kind: { case: "integer", value: { bitwidth: 16 } } },
        channels: Array.from({ length: this.#channels }, (_, idx) => ({ idx, gain: 1 / AMPLITUDE, probe: idx })),
        sampleCount,
        channelStride: this.#stride,
      },
    })
    return encodeV1(undefined, arm, payload)
  }
}

/** Where the value of a field within fields starts; the field is there. */
function valueAt(bytes: Uint8Array, path: readonly number[]): number {
  const field = emptyField()
  let from = 0
  for (const number of path) {
    while (nextField(bytes, from, field) && field.number !== number) from = field.end
    from = field.value
  }
  return from
}

function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(5)
  return bytes.subarray(0, writeVarint(bytes, 0, value))
}
