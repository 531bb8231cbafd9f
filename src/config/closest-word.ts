/** "Did you mean": which of the known words somebody may have wanted to type. */

/** The known word nearest to `typed`, if it is near enough to be meant: two slips in a long word, one in a short one. */
export function closestWord(typed: string, known: readonly string[]): string | undefined {
  const wanted = plain(typed)
  const near = known
    .map((word) => ({ word, slips: slips(wanted, plain(word)) }))
    .filter(({ word, slips }) => slips <= (Math.min(wanted.length, word.length) >= 5 ? 2 : 1))
  return near.sort((a, b) => a.slips - b.slips)[0]?.word
}

/** How a word is written matters little: max_hold and maxHold are max-hold. */
const plain = (word: string): string => word.slice(0, MAX_COMPARED).toLowerCase().replace(/[-_ ]/g, "")
/** Longer words are not anybody's slip, and comparing takes the square of it. */
const MAX_COMPARED = 64

/** Letters left out, put in, changed, or two beside each other swapped (optimal string alignment distance). */
function slips(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, at) => at)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, rows[i - 2]![j - 2]! + 1)
      row.push(best)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
