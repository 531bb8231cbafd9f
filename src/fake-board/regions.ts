/** Region words: which chips a flood fill is for. Source: rig's regions.py, SpiNNMan's flood-fill regions. */

/** Coarsest and finest level: blocks of 64x64 chips and single chips. */
const FINEST_LEVEL = 3

/** True if the region word (x << 24 | y << 16 | level << 16 | 16 block bits) takes in the chip at x, y. */
export function regionHas(region: number, x: number, y: number): boolean {
  const level = (region >>> 16) & FINEST_LEVEL
  const shift = 6 - 2 * level
  // A region covers 4x4 blocks of (1 << shift) chips a side, from its base on.
  const side = 4 << shift
  const baseX = region >>> 24
  const baseY = (region >>> 16) & 0xfc
  if (x - (x % side) !== baseX || y - (y % side) !== baseY) return false
  const bit = ((x >> shift) & 3) + 4 * ((y >> shift) & 3)
  return (region & (1 << bit)) !== 0
}

/** The region word of one chip. */
export function regionOfChip(x: number, y: number): number {
  return (((x & 0xfc) << 24) | (((y & 0xfc) | FINEST_LEVEL) << 16) | (1 << ((x & 3) + 4 * (y & 3)))) >>> 0
}
