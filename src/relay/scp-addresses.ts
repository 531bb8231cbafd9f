/**
 * Which addresses of a SpiNNaker chip can be read or written twice with the same outcome. RAM can; device registers
 * ring bells, pop queues and take locks. Source: SpiNNaker datasheet §3, spinnaker_tools 4.0.0 spinnaker.h, wire §6.1.
 */

/** First address and first address after it. */
type Range = readonly [start: number, end: number]

/** ITCM and DTCM, SDRAM through its buffered window, System RAM through both of its own. */
const RAM: readonly Range[] = [
  [0x0000_0000, 0x1000_0000],
  [0x6000_0000, 0x7000_0000],
  [0xe500_0000, 0xe600_0000],
  [0xf500_0000, 0xf600_0000],
]

/** Besides RAM: SDRAM unbuffered, router (P2P table, counters), system controller and ROM, through both windows. */
const READ_WITHOUT_EFFECT: readonly Range[] = [
  ...RAM,
  [0x7000_0000, 0x8000_0000],
  [0xe100_0000, 0xe300_0000],
  [0xe600_0000, 0xe700_0000],
  [0xf100_0000, 0xf300_0000],
  [0xf600_0000, 0xf700_0000],
]

/** The system controller's test-and-set registers: reading one takes the lock. */
const TEST_AND_SET: readonly Range[] = [
  [0xe200_0100, 0xe200_0200],
  [0xf200_0100, 0xf200_0200],
]

function inside(ranges: readonly Range[], address: number, length: number): boolean {
  const end = address + Math.max(1, length)
  for (const [from, to] of ranges) if (address >= from && end <= to) return true
  return false
}

function touches(ranges: readonly Range[], address: number, length: number): boolean {
  const end = address + Math.max(1, length)
  for (const [from, to] of ranges) if (address < to && end > from) return true
  return false
}

/** True if writing the same `length` bytes at `address` twice is as good as once. */
export function isRam(address: number, length: number): boolean {
  return inside(RAM, address, length)
}

/** True if reading `length` bytes at `address` changes nothing. */
export function readsWithoutEffect(address: number, length: number): boolean {
  return inside(READ_WITHOUT_EFFECT, address, length) && !touches(TEST_AND_SET, address, length)
}
