/** How this machine can run the programs that are built for others: emulators, other loaders, Wine. */
import { existsSync } from "node:fs"
import { copyFile, mkdir } from "node:fs/promises"
import { basename, join } from "node:path"
import { readExecutableFormat } from "../lib/executable-format.ts"
import { WINE_VARIABLE } from "../lib/relay-command.ts"
import { fileName, findTarget, type Target } from "../lib/targets.ts"

/** A way to run one program, or why there is none. */
export type Runner = Run | { readonly skip: string }

/** A command, and what to know about what it runs. */
export interface Run {
  /** Goes before the program's own arguments. */
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Multiplies time limits. */
  readonly patience: number
  /** End-to-end tests that say nothing of the program when it is run so: file name to reason. */
  readonly leaveOut: Readonly<Record<string, string>>
}

/** Where to look, and where to put what has to be made. */
export interface Surroundings {
  readonly dist: string
  /** Empty and ours. */
  readonly folder: string
}

/** How to run the program for `target` here. */
export async function findRunner(target: Target, surroundings: Surroundings): Promise<Runner> {
  const file = join(surroundings.dist, fileName(target))
  const native = await readExecutableFormat(process.execPath)
  if (native && findTarget(native)?.name === target.name) return { command: [file], patience: 1, leaveOut: {} }
  if (target.os === "windows") return wine(target, file, surroundings.folder)
  if (target.os !== "linux" || process.platform !== "linux") return { skip: `this is ${process.platform}` }
  if (native?.arch === target.arch) return otherLoader(target, file)
  return qemu(target, file)
}

/** The same processor with the other C library. */
function otherLoader(target: Target, file: string): Runner {
  const arch = target.arch === "x64" ? "x86_64" : "aarch64"
  const loader = target.libc === "musl" ? `/lib/ld-musl-${arch}.so.1` : `/lib64/ld-linux-${arch.replace("_", "-")}.so.2`
  return existsSync(loader) ? { command: [file], patience: 1, leaveOut: {} } : { skip: `there is no ${loader}` }
}

/** User-mode emulation of another processor, with a folder of its C library: QEMU_LD_PREFIX, or where Debian puts it. */
function qemu(target: Target, file: string): Runner {
  const arch = target.arch === "arm64" ? "aarch64" : "x86_64"
  const program = Bun.which(`qemu-${arch}`) ?? Bun.which(`qemu-${arch}-static`)
  if (!program) return { skip: `qemu-${arch} is not installed` }
  const folder = process.env.QEMU_LD_PREFIX ?? `/usr/${arch}-linux-gnu`
  const loader = target.libc === "musl" ? `ld-musl-${arch}.so.1` : `ld-linux-${arch === "aarch64" ? arch : "x86-64"}.so`
  const found = ["lib", "lib64"].some(
    (lib) => existsSync(join(folder, lib, loader)) || existsSync(join(folder, lib, `${loader}.1`)),
  )
  if (!found) return { skip: `${folder} has no ${loader}` }
  const leaveOut = { "hostile-peers.test.ts": "it measures memory, and would measure the emulator's" }
  return { command: [program, "-L", folder, file], patience: 5, leaveOut }
}

const WINE_PROGRAMS = ["wine64", "wine64-stable", "wine", "/usr/lib/wine/wine64"]

/** Wine, with a stand-in for the library that it lacks. */
async function wine(target: Target, file: string, folder: string): Promise<Runner> {
  if (target.arch !== "x64" || process.platform === "win32")
    return { skip: `this is ${process.platform}-${process.arch}` }
  const program = WINE_PROGRAMS.map((name) => Bun.which(name)).find((path) => path !== null)
  if (!program) return { skip: "Wine is not installed" }
  const compiler = Bun.which("x86_64-w64-mingw32-gcc")
  if (!compiler) return { skip: "x86_64-w64-mingw32-gcc is not installed, which makes the library that Wine lacks" }
  const room = join(folder, "wine")
  await mkdir(room, { recursive: true })
  const library = join(room, "bcryptprimitives.dll")
  const source = join(import.meta.dir, "bcryptprimitives.c")
  const made = Bun.spawn([compiler, "-shared", "-O2", "-o", library, source, "-ladvapi32"], { stderr: "inherit" })
  if ((await made.exited) !== 0) return { skip: "the library that Wine lacks could not be made" }
  // Windows looks for libraries beside the program.
  const copy = join(room, basename(file))
  await copyFile(file, copy)
  const signals = "signals from outside end Wine itself, not the program in it"
  return {
    command: [program, copy],
    env: { WINEPREFIX: join(folder, "prefix"), WINEDEBUG: "-all", [WINE_VARIABLE]: "1" },
    patience: 5,
    leaveOut: {
      "command-line.test.ts": signals,
      "restarts.test.ts": signals,
      "hostile-peers.test.ts": "it measures memory, and would measure Wine's",
      "streams.test.ts": "Windows' sockets hold 64 KiB, and Wine stalls for longer than that lasts",
    },
  }
}
