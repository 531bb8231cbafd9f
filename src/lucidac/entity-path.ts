/** Entity paths: `/04-E9-E5-18-16-43/0/M0`. The leading slash is optional and a MAC's letters have no case. */

/** The first segment of a path, the carrier's (or device's) MAC in upper case; empty for an empty path. */
export function carrierOf(path: string): string {
  const start = path.startsWith("/") ? 1 : 0
  const end = path.indexOf("/", start)
  return path.slice(start, end < 0 ? undefined : end).toUpperCase()
}

/** A carrier's path as devices write it: `/MAC`. */
export function carrierPath(carrier: string): string {
  return `/${carrierOf(carrier)}`
}
