/** The machines that a release is built for. */

/** One machine: what we call it, what Bun calls it, and what its programs look like. */
export interface Target {
  /** As in the file's name, `linux-arm64-musl`. */
  readonly name: string
  /** Value of `bun build --target`. */
  readonly bunTarget: Bun.Build.CompileTarget
  readonly os: "linux" | "darwin" | "windows"
  readonly arch: "x64" | "arm64"
  /** Only Linux has two C libraries to choose from. */
  readonly libc?: "glibc" | "musl"
  readonly extension: "" | ".exe"
}

/** Everything that `bun run build` makes, in its order. There is no 32-bit ARM: Bun has none. */
export const TARGETS = [
  { name: "linux-x64", bunTarget: "bun-linux-x64", os: "linux", arch: "x64", libc: "glibc", extension: "" },
  { name: "linux-arm64", bunTarget: "bun-linux-arm64", os: "linux", arch: "arm64", libc: "glibc", extension: "" },
  { name: "linux-x64-musl", bunTarget: "bun-linux-x64-musl", os: "linux", arch: "x64", libc: "musl", extension: "" },
  {
    name: "linux-arm64-musl",
    bunTarget: "bun-linux-arm64-musl",
    os: "linux",
    arch: "arm64",
    libc: "musl",
    extension: "",
  },
  { name: "darwin-x64", bunTarget: "bun-darwin-x64", os: "darwin", arch: "x64", extension: "" },
  { name: "darwin-arm64", bunTarget: "bun-darwin-arm64", os: "darwin", arch: "arm64", extension: "" },
  { name: "windows-x64", bunTarget: "bun-windows-x64", os: "windows", arch: "x64", extension: ".exe" },
  { name: "windows-arm64", bunTarget: "bun-windows-arm64", os: "windows", arch: "arm64", extension: ".exe" },
] as const satisfies readonly Target[]

/** `spinnaker-relay-windows-x64.exe`. */
export function fileName(target: Target): string {
  return `spinnaker-relay-${target.name}${target.extension}`
}

/** The target whose programs are like `kind`, such as the running Bun's; undefined if nothing is built for it. */
export function findTarget(kind: Pick<Target, "os" | "arch" | "libc">): Target | undefined {
  return TARGETS.find(
    (target: Target) => target.os === kind.os && target.arch === kind.arch && target.libc === kind.libc,
  )
}
