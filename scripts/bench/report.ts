/** What the bench prints, out of what it measured. Pure. */

/** One run of the load generator, as it prints it. */
export interface LoadResult {
  /** Answered requests a second. */
  readonly rate: number
  readonly p50Us: number
  readonly p99Us: number
  readonly answered: number
  /** Requests without an answer after 500 ms. */
  readonly lost: number
  /** Answers to none of the outstanding requests. */
  readonly late: number
  /** Share of a core that the generator itself used. */
  readonly cpuShare: number
}

/** All runs of one scenario at one window. */
export interface Series {
  readonly scenario: string
  readonly window: number
  readonly runs: readonly LoadResult[]
}

/** The middle of `values`, of an even number the lower of the two: a value that was measured. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
}

/** The value below which `share` of the sorted `values` lie; NaN for none. */
export function percentile(values: readonly number[], share: number): number {
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN
}

/** Median request rate of a scenario at a window; NaN where it was not measured. */
export function medianRate(series: readonly Series[], scenario: string, window: number): number {
  const found = series.find((one) => one.scenario === scenario && one.window === window)
  return median(found?.runs.map((run) => run.rate) ?? [])
}

/** Median of the runs' median latency, microseconds; NaN where it was not measured. */
export function medianP50(series: readonly Series[], scenario: string, window: number): number {
  const found = series.find((one) => one.scenario === scenario && one.window === window)
  return median(found?.runs.map((run) => run.p50Us) ?? [])
}

/** Rows of text under each other, numbers to the right; the first column to the left. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ")
  return rows.map((row) => line(row).trimEnd()).join("\n")
}

/** `12,345`, or `–` for what was not measured. */
export function count(value: number): string {
  return Number.isNaN(value) ? "–" : Math.round(value).toLocaleString("en-GB")
}

/** `1.23x`, or `–`. */
export function ratio(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)}x` : "–"
}

/** Rates and latencies, one row a scenario, three columns a window. */
export function rateTable(series: readonly Series[]): string {
  const windows = [...new Set(series.map((one) => one.window))]
  const scenarios = [...new Set(series.map((one) => one.scenario))]
  const head = ["", ...windows.flatMap((window) => [`req/s at ${window}`, "p50 µs", "p99 µs"]), "lost"]
  const rows = scenarios.map((scenario) => {
    const mine = series.filter((one) => one.scenario === scenario)
    const cells = windows.flatMap((window) => {
      const runs = mine.find((one) => one.window === window)?.runs ?? []
      const of = (pick: (run: LoadResult) => number): string => count(median(runs.map(pick)))
      return [of((run) => run.rate), of((run) => run.p50Us), of((run) => run.p99Us)]
    })
    const lost = mine.flatMap((one) => one.runs).reduce((sum, run) => sum + run.lost, 0)
    return [scenario, ...cells, String(lost)]
  })
  return table([head, ...rows])
}

/** Request rates as multiples of those of `base`, one row a scenario. */
export function ratioTable(series: readonly Series[], base: string): string {
  const windows = [...new Set(series.map((one) => one.window))]
  const scenarios = [...new Set(series.map((one) => one.scenario))]
  const rows = scenarios.map((scenario) => [
    scenario,
    ...windows.map((window) => ratio(medianRate(series, scenario, window) / medianRate(series, base, window))),
  ])
  return table([[`req/s as a multiple of ${base}`, ...windows.map((window) => `at ${window}`)], ...rows])
}
