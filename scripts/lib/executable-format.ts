/** Which machine a program file is for, read from its own header: ELF, Mach-O or PE. Pure. */
import type { Target } from "./targets.ts"

/** How much of a file `executableFormat` wants to see; the headers lie well within. */
export const HEADER_BYTES = 65_536

const ELF_MACHINES = new Map<number, Target["arch"]>([
  [0x3e, "x64"],
  [0xb7, "arm64"],
])
const MACH_CPU_TYPES = new Map<number, Target["arch"]>([
  [0x0100_0007, "x64"],
  [0x0100_000c, "arm64"],
])
const PE_MACHINES = new Map<number, Target["arch"]>([
  [0x8664, "x64"],
  [0xaa64, "arm64"],
])

/** What a program file runs on. */
export type ExecutableFormat = Pick<Target, "os" | "arch" | "libc">

/** The format of the program whose first 64 KiB are `head`; undefined for anything that is not one of ours. */
export function executableFormat(head: Uint8Array): ExecutableFormat | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  if (head.length < 64) return undefined
  const magic = view.getUint32(0)
  if (magic === 0x7f454c46) return elf(view)
  if (magic === 0xcffaedfe) {
    const arch = MACH_CPU_TYPES.get(view.getUint32(4, true))
    return arch && { os: "darwin", arch }
  }
  if (magic >>> 16 === 0x4d5a) {
    const header = view.getUint32(0x3c, true)
    if (header + 6 > head.length || view.getUint32(header) !== 0x50450000) return undefined
    const arch = PE_MACHINES.get(view.getUint16(header + 4, true))
    return arch && { os: "windows", arch }
  }
  return undefined
}

/** A 64-bit little-endian ELF; the C library shows in the name of its loader (PT_INTERP). */
function elf(view: DataView): ExecutableFormat | undefined {
  const arch = ELF_MACHINES.get(view.getUint16(18, true))
  if (!arch || view.getUint8(4) !== 2 || view.getUint8(5) !== 1) return undefined
  const table = Number(view.getBigUint64(32, true))
  const size = view.getUint16(54, true)
  const count = view.getUint16(56, true)
  for (let i = 0; i < count; i++) {
    const entry = table + i * size
    if (entry + 56 > view.byteLength) return undefined
    if (view.getUint32(entry, true) !== 3) continue
    const start = Number(view.getBigUint64(entry + 8, true))
    const length = Number(view.getBigUint64(entry + 32, true))
    if (start + length > view.byteLength) return undefined
    const loader = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + start, length))
    return { os: "linux", arch, libc: loader.includes("musl") ? "musl" : "glibc" }
  }
  return undefined
}

/** The format of the program at `path`; undefined if it is none, or not there. */
export async function readExecutableFormat(path: string): Promise<ExecutableFormat | undefined> {
  const file = Bun.file(path)
  if (!(await file.exists())) return undefined
  return executableFormat(new Uint8Array(await file.slice(0, HEADER_BYTES).arrayBuffer()))
}
