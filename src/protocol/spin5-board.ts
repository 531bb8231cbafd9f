/** The shape of SpiNN-5 boards, and how three of them tile a square of 12 chips, a triad. Source: the spalloc facts §10. */

/** First and last x of each row of a board's 48 chips. */
export const SPIN5_ROWS: readonly (readonly [number, number])[] = [
  [0, 4],
  [0, 5],
  [0, 6],
  [0, 7],
  [1, 7],
  [2, 7],
  [3, 7],
  [4, 7],
]

/** Side of a triad in chips. */
export const TRIAD_CHIPS = 12

/** Ethernet chip of board z in its triad. */
export const TRIAD_ETHERNETS = [
  { x: 0, y: 0 },
  { x: 8, y: 4 },
  { x: 4, y: 8 },
] as const
