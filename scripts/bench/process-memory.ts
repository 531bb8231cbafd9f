/** How much of the machine's memory a process has. */
import { readFile } from "node:fs/promises"

/** Resident memory of process `pid` in bytes; undefined where the system does not say (Windows) or it is gone. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  if (process.platform === "win32") return undefined
  // Not Bun.file: files of /proc have no length, so it takes them for absent.
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => undefined)
  if (status !== undefined) return parseStatus(status)
  const ps = Bun.spawn(["ps", "-o", "rss=", "-p", String(pid)], { stdout: "pipe", stderr: "ignore" })
  const kib = Number.parseInt(await ps.stdout.text(), 10)
  return Number.isNaN(kib) ? undefined : kib * 1024
}

/** VmRSS of a Linux /proc status file, in bytes. */
export function parseStatus(text: string): number | undefined {
  const match = text.match(/^VmRSS:\s+(\d+) kB$/m)
  return match ? Number(match[1]) * 1024 : undefined
}
