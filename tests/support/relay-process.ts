/**
 * The relay as a process of its own, for end-to-end tests: the sources under this Bun, or the command that
 * SPINNAKER_RELAY_BINARY names (white space between words, or a JSON array).
 *
 *     await using board = await startBoard()
 *     const [scp, boot, scpTunnel, bootTunnel] = await freePorts(4)
 *     await using server = startRelay(["-s", "127.0.0.1", "--scp-port", `${board.scp.port}`, …])
 *     await server.waitForLine(/listening for boot/i)
 */
import { type Child, type ChildOptions, startChild } from "../../scripts/lib/child.ts"
import { relayCommand } from "../../scripts/lib/relay-command.ts"
import type { Address } from "../../src/transport/address.ts"

export { type Child, startChild } from "../../scripts/lib/child.ts"
export { freePort, freePorts } from "../../scripts/lib/free-port.ts"
export { relayCommand } from "../../scripts/lib/relay-command.ts"

/** Starts the relay with `args`; `await using` stops it, and it dies with the test process in any case. */
export function startRelay(args: readonly string[], options: ChildOptions = {}): Child {
  return startChild([...relayCommand(), ...args], options)
}

/** A fake board, with the addresses that it says it listens on. */
export interface BoardProcess extends Child {
  readonly scp: Address
  readonly boot: Address
}

/** Starts a fake board on free ports and waits until it listens. `args` come last: `--type spin3 --booted`. */
export async function startBoard(args: readonly string[] = [], options: ChildOptions = {}): Promise<BoardProcess> {
  const child = startRelay(["board", "--scp-port", "0", "--boot-port", "0", ...args], options)
  try {
    const [line] = await child.waitForLine(/^\{.*\}$/, undefined, "stdout")
    const said: Record<string, string> = JSON.parse(line)
    const read = (text = ""): Address => {
      const colon = text.lastIndexOf(":")
      return { host: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) }
    }
    return Object.assign(child, { scp: read(said.scp), boot: read(said.boot) })
  } catch (error) {
    await child.kill()
    throw error
  }
}
