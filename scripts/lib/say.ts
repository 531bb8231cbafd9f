/** How the scripts talk to the person who runs them. */

/** A heading between the steps of a script. */
export function heading(text: string): void {
  console.log(`\n== ${text}`)
}

/** `1.2 s` or `3 min 20 s`. */
export function duration(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
}

/** `1.5 MB` in units of 2^20 bytes. */
export function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
