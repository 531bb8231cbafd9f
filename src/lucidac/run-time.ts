/** How long runs take, in milliseconds, from the times that their messages give in other units. */
import { type StartRunCommand, type Time, Time_Prefix } from "./proto/lucidac_pb.ts"

/** Milliseconds of a device's time; 0 for none. */
export function toMs(time: Time | undefined): number {
  const value = Number(time?.value ?? 0n)
  switch (time?.prefix) {
    case Time_Prefix.MILLI:
      return value
    case Time_Prefix.MICRO:
      return value / 1e3
    case Time_Prefix.NANO:
      return value / 1e6
    default:
      return value * 1e3
  }
}

/** How long a run takes; undefined where it goes on until it is stopped, or does not say. */
export function plannedMs({ runConfig }: StartRunCommand): number | undefined {
  if (!runConfig?.opTime || runConfig.repetitive) return undefined
  const opMs = toMs(runConfig.opTime)
  return opMs > 0 ? opMs + toMs(runConfig.icTime) : undefined
}
