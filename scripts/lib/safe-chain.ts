/** A safe server and a client of it as processes, with keys of their own in a folder of the caller's. */
import { join } from "node:path"
import { type Child, type ChildOptions, startChild } from "./child.ts"
import { freePort } from "./free-port.ts"

/** What a chain of the two is started from. */
export interface SafeChain {
  /** The relay as a program. */
  readonly command: readonly string[]
  /** A folder that need not exist, for the configuration and both ends' keys. */
  readonly folder: string
  /** The board's own UDP ports on 127.0.0.1. */
  readonly board: { readonly scp: number; readonly boot: number }
  /** Where programs find the board then. */
  readonly local: { readonly scp: number; readonly boot: number }
  readonly options?: (role: "server" | "client") => ChildOptions
}

/** Starts the server, joins it and starts the client; resolves once the client is connected. Throws Error with what was said. */
export async function startSafeChain(chain: SafeChain): Promise<{ server: Child; client: Child }> {
  const { command, folder, board, local, options } = chain
  const config = join(folder, "server.toml")
  const keys = join(folder, "server")
  const home = join(folder, "client")
  const port = await freePort()
  await Bun.write(
    config,
    `name = "pi"\nlisten = ["127.0.0.1"]\nport = ${port}\n` +
      `[[boards]]\naddress = "127.0.0.1"\nscp-port = ${board.scp}\nboot-port = ${board.boot}\n`,
  )
  const server = startChild([...command, "server", "--config", config, "--data", keys], options?.("server"))
  await server.waitForLine(new RegExp(`listening .*:${port}`, "i"))
  const ticket = await say([...command, "invite", "somebody", "--host", `127.0.0.1:${port}`, "--data", keys])
  await say([...command, "join", "--data", home], ticket)
  const ports = ["--scp-port", String(local.scp), "--boot-port", String(local.boot)]
  const client = startChild([...command, "client", "pi", "--data", home, ...ports], options?.("client"))
  await client.waitForLine(/board .* is at/i)
  return { server, client }
}

/** Runs a command to its end; what it says on standard output. Throws Error if it fails. */
async function say(command: readonly string[], stdin = ""): Promise<string> {
  const child = Bun.spawn([...command], { stdin: new Blob([stdin]), stdout: "pipe", stderr: "pipe" })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${stderr}`)
  return stdout
}
