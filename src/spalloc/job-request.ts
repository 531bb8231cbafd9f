/** `create_job` as it comes over the wire, read and checked. */
import type { JobRequest } from "./types.ts"

/** Reads positional and named arguments of `create_job`; throws a CommandError that says what is wrong with them. */
export function readJobRequest(_args: readonly unknown[], _kwargs: Readonly<Record<string, unknown>>): JobRequest {
  throw new Error("to be written")
}
