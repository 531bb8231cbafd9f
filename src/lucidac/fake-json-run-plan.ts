/** The run that a client of the older generation asks for. */
import { boundedPlan, type RunPlan, type RunWishes } from "./fake-run.ts"

/** What a device puts for an id that is none of 36 characters. */
export const PLACEHOLDER_RUN_ID = "00000000-0000-0000-0000-000000000000"

/** The plan of a `start_run`, or why it cannot be. */
export function planJsonRun(msg: Readonly<Record<string, unknown>>, mac: string, wishes: RunWishes): RunPlan | string {
  const config = record(msg.config)
  const daq = record(msg.daq_config)
  const channels = number(daq.num_channels) ?? 0
  if (channels > 8 || channels < 0) return `num_channels ${channels}: expected 0 to 8`
  const opMs = milliseconds(config, "op_time")
  if (opMs < 0) return "op_time is negative"
  return boundedPlan(
    {
      runId: typeof msg.id === "string" && msg.id.length === 36 ? msg.id : PLACEHOLDER_RUN_ID,
      paths: [`/${mac}`],
      icMs: milliseconds(config, "ic_time"),
      opMs,
      channels,
      rate: number(daq.sample_rate) ?? 0,
      sampleOp: daq.sample_op !== false,
      sampleOpEnd: daq.sample_op_end === true,
      repetitive: config.repetitive === true,
    },
    wishes,
  )
}

/** `ic_time` is in nanoseconds, `ic_time_us` and `ic_time_ms` as they say; they add up. */
function milliseconds(config: Readonly<Record<string, unknown>>, name: string): number {
  const part = (suffix: string) => number(config[`${name}${suffix}`]) ?? 0
  return part("") / 1e6 + part("_us") / 1e3 + part("_ms")
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {}
}
