/** Where a board's inter-board links are in its FPGAs, and the registers that matter to a job. Source: spI/O's register map. */

/** Low two bits: the FPGA's own number once it is loaded; anything else says that it did not come up. */
export const FPGA_FLAG = 0x40004
/** FPGAs of a board. */
export const FPGAS = 3

/** FPGA and STOP register (1: send nothing on this link) of links 0..5, E NE N W SW S. */
const STOP: readonly { readonly fpga: number; readonly address: number }[] = [
  { fpga: 0, address: 0x0000_005c },
  { fpga: 2, address: 0x0001_005c },
  { fpga: 2, address: 0x0000_005c },
  { fpga: 1, address: 0x0001_005c },
  { fpga: 1, address: 0x0000_005c },
  { fpga: 0, address: 0x0001_005c },
]

/** The STOP register of a link. Throws RangeError outside 0..5. */
export function stopRegister(link: number): { readonly fpga: number; readonly address: number } {
  const register = STOP[link]
  if (register) return register
  throw new RangeError(`Link ${link}: expected 0 to 5`)
}
