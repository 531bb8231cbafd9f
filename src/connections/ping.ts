/** The system's `ping`, as a question with a yes or a no. */
import { errorText, SpinnmanIOException } from "./exceptions.ts"

/** True if `host` (an IP literal) answers one ping within a second. Rejects with SpinnmanIOException where there is no `ping` to run. */
export async function systemPing(host: string): Promise<boolean> {
  const onWindows = process.platform === "win32"
  const [count, wait] = onWindows ? (["-n", "-w"] as const) : (["-c", "-W"] as const)
  // Windows and macOS count the wait in milliseconds, Linux in seconds.
  const second = process.platform === "linux" ? "1" : "1000"
  try {
    const child = Bun.spawn(["ping", count, "1", wait, second, host], { stdout: "ignore", stderr: "ignore" })
    return (await child.exited) === 0
  } catch (error) {
    throw new SpinnmanIOException(`Cannot run the system's ping to see whether ${host} is there: ${errorText(error)}`, {
      cause: error,
    })
  }
}
