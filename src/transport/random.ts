/** Randomness, injected, so that a test's or a fault injector's run can be repeated from its seed. */

/** A number in [0, 1). */
export type Random = () => number

/** A repeatable `Random` (mulberry32: 32 bits of state, good enough for faults and jitter, not for secrets). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
