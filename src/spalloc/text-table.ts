/** Tables for people: columns as wide as they must be, numbers to the right. */

/** A cell; numbers are set to the right. */
export type Cell = string | number

/** The table's lines. What strangers typed cannot steer the terminal. */
export function textTable(headings: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const clean = (cell: Cell): string => String(cell).replace(/\p{Cc}/gu, "?")
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => clean(row[column] ?? "").length)),
  )
  const line = (cells: readonly Cell[]): string =>
    cells
      .map((cell, column) =>
        typeof cell === "number" ? clean(cell).padStart(widths[column]!) : clean(cell).padEnd(widths[column]!),
      )
      .join("  ")
      .trimEnd()
  const right = headings.map((heading, column) =>
    rows.some((row) => typeof row[column] === "number") ? heading.padStart(widths[column]!) : heading,
  )
  return [line(right), ...rows.map(line)]
}
