/** The rectangle of triads that a job for so many boards gets in a free region. Source: the spalloc facts §11. */
import { BOARDS_PER_TRIAD } from "./geometry.ts"

/** Triads across and up. */
export interface Size {
  readonly width: number
  readonly height: number
}

/** Triads that so many boards need. */
export function triadsFor(boards: number): number {
  return Math.ceil(boards / BOARDS_PER_TRIAD)
}

/**
 * A rectangle of at least `triads` inside `bounds` that is at least as square as `minRatio` (short side to long side; a
 * ratio above 1 is turned round). Undefined if there is none to be had.
 */
export function rectangleFor(triads: number, bounds: Size, minRatio: number): Size | undefined {
  if (triads < 1 || triads > bounds.width * bounds.height) return undefined
  const ratio = minRatio > 1 ? 1 / minRatio : minRatio
  let { width, height } = squarest(triads)
  if (height / width < ratio) ({ width, height } = withRatio(triads, ratio))
  // Across the long side of the region, so that what stays free is as large as can be.
  if (bounds.width > bounds.height && width > height) [width, height] = [height, width]
  if (width > bounds.width) {
    width = bounds.width
    height = Math.ceil(triads / width)
  } else if (height > bounds.height) {
    height = bounds.height
    width = Math.ceil(triads / height)
  } else {
    return { width, height }
  }
  return Math.min(width, height) / Math.max(width, height) < ratio ? undefined : { width, height }
}

/** The pair of factors nearest to each other, the wider first. */
function squarest(triads: number): Size {
  let height = Math.floor(Math.sqrt(triads))
  while (triads % height !== 0) height--
  return { width: triads / height, height }
}

function withRatio(triads: number, ratio: number): Size {
  const height = Math.ceil(triads / Math.sqrt(triads / ratio))
  const width = Math.ceil(triads / height)
  return { width: Math.max(width, height), height }
}
