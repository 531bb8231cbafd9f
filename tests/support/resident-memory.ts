/** How much memory a process holds. */
import { readFileSync } from "node:fs"

/** Resident bytes of `pid`; throws where there is neither /proc nor ps. */
export function residentBytes(pid: number): number {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1])
    return pages * 4096
  } catch {
    const told = Bun.spawnSync(["ps", "-o", "rss=", "-p", `${pid}`]).stdout.toString()
    return Number(told) * 1024
  }
}
