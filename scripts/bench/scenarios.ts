/** What the bench compares: each scenario is a chain of programs between the load generator and the stand-in board. */
import { join } from "node:path"
import { startChild } from "../lib/child.ts"
import { freePort, freePorts, untilTaken } from "../lib/free-port.ts"
import { relayCommand } from "../lib/relay-command.ts"
import { startSafeChain } from "../lib/safe-chain.ts"
import type { Generator } from "./generator.ts"

/** Names of scenarios that the report compares with one another. */
export const NAMES = {
  direct: "direct",
  one: "one relay",
  udp: "client+server UDP",
  tcp: "client+server TCP",
  safe: "client+server, safe tunnel",
  oneBare: "one relay, bare",
  udpBare: "client+server UDP, bare",
  tcpBare: "client+server TCP, bare",
  pythonOne: "Python one",
  pythonUdp: "Python chain UDP",
  pythonTcp: "Python chain TCP",
  socatOne: "socat one",
  socatUdp: "socat chain UDP",
} as const

/** Programs that stand between generator and board, and where to send to. */
export interface Setup {
  readonly port: number
  /** By role, for what is measured of a process itself. */
  readonly children: Readonly<Record<string, Started>>
}

/** A program of a setup. */
export type Started = ReturnType<typeof startChild>

/** One line of the table. */
export interface Scenario {
  readonly name: string
  /** Starts the programs; the board answers at `boardPort` on loopback. */
  start(boardPort: number): Promise<Setup>
}

/** What may be measured beside our own programs, where it was found. */
export interface Others {
  readonly socat: string | undefined
  readonly python: { readonly command: readonly string[]; readonly folder: string | undefined } | undefined
}

/** What our own program says last of all that it says before it can be used: SCP comes first, then boot. */
export const LISTENING = /listening for boot on UDP/i
/** The same of a server that -t keeps off UDP. */
const LISTENING_TCP = /listening for boot/i

const HOST = "127.0.0.1"
/** Without the guard a relay does what Python's and socat do: pass on. With it, a board has 7 requests at most in flight. */
const BARE = "--no-scp-guard"

/** Starts the stand-in board; resolves with its port. */
export async function startResponder(generator: Generator): Promise<{ port: number; child: Started }> {
  const child = startChild([...generator.command, "respond"])
  const [line] = await child.waitForLine(/^\d+$/, undefined, "stdout")
  return { port: Number(line), child }
}

/** Options for the ports of a server or client; both of Python's and ours. */
function portOptions(scp: number, boot: number, scpTunnel: number, bootTunnel: number): string[] {
  const ports = { "scp-port": scp, "boot-port": boot, "scp-tunnel-port": scpTunnel, "boot-tunnel-port": bootTunnel }
  return Object.entries(ports).flatMap(([name, port]) => [`--${name}`, String(port)])
}

/** A server, and unless `one` a client before it, of the program that `command` starts. */
function proxies(
  name: string,
  command: readonly string[],
  flags: string[],
  one: boolean,
  ready?: RegExp,
  cwd?: string,
): Scenario {
  return {
    name,
    async start(boardPort) {
      const [boot, scpTunnel, bootTunnel, scp, localBoot] = (await freePorts(5)) as [
        number,
        number,
        number,
        number,
        number,
      ]
      const options = cwd === undefined ? {} : { cwd }
      const bind = ready ? ["--bind", HOST] : []
      const serverPorts = portOptions(boardPort, boot, scpTunnel, bootTunnel)
      const server = startChild([...command, "-s", HOST, ...bind, ...flags, ...serverPorts], options)
      await (ready ? server.waitForLine(ready) : untilTaken(scpTunnel))
      if (one) return { port: scpTunnel, children: { server } }
      const clientPorts = portOptions(scp, localBoot, scpTunnel, bootTunnel)
      const client = startChild([...command, "-c", HOST, ...flags, ...clientPorts], options)
      await (ready ? client.waitForLine(ready) : untilTaken(scp))
      return { port: scp, children: { server, client } }
    },
  }
}

/** The encrypted chain; its keys and configuration are made under `folder`. */
function safe(name: string, command: readonly string[], folder: string): Scenario {
  return {
    name,
    async start(boardPort) {
      const [boot, scp, localBoot] = (await freePorts(3)) as [number, number, number]
      const chain = { command, folder, board: { scp: boardPort, boot }, local: { scp, boot: localBoot } }
      return { port: scp, children: await startSafeChain(chain) }
    },
  }
}

/** `hops` socats one behind the other. TCP is left out: socat does not keep datagrams apart there. */
function socats(name: string, socat: string, hops: number): Scenario {
  return {
    name,
    async start(boardPort) {
      const children: Record<string, Started> = {}
      let port = boardPort
      for (let hop = 0; hop < hops; hop++) {
        const from = await freePort()
        // One process a sender, which ends 5 s after the last datagram.
        const listen = `UDP4-LISTEN:${from},bind=${HOST},reuseaddr,fork`
        children[`socat ${hop + 1}`] = startChild([socat, "-T", "5", listen, `UDP4:${HOST}:${port}`])
        await untilTaken(from)
        port = from
      }
      return { port, children }
    },
  }
}

/** Every scenario that this machine can run, in the order of the table; files that one needs go into `folder`. */
export function scenarios(others: Others, folder: string): Scenario[] {
  const relay = relayCommand()
  const list: Scenario[] = [
    { name: NAMES.direct, start: async (port) => ({ port, children: {} }) },
    proxies(NAMES.one, relay, [], true, LISTENING),
    proxies(NAMES.udp, relay, [], false, LISTENING),
    proxies(NAMES.tcp, relay, ["-t", "-T"], false, LISTENING_TCP),
    safe(NAMES.safe, relay, join(folder, "safe")),
    proxies(NAMES.oneBare, relay, [BARE], true, LISTENING),
    proxies(NAMES.udpBare, relay, [BARE], false, LISTENING),
    proxies(NAMES.tcpBare, relay, ["-t", "-T", BARE], false, LISTENING_TCP),
  ]
  if (others.python) {
    const { command, folder } = others.python
    list.push(
      proxies(NAMES.pythonOne, command, ["-q"], true, undefined, folder),
      proxies(NAMES.pythonUdp, command, ["-q"], false, undefined, folder),
      proxies(NAMES.pythonTcp, command, ["-q", "-t", "-T"], false, undefined, folder),
    )
  }
  if (others.socat) {
    list.push(socats(NAMES.socatOne, others.socat, 1), socats(NAMES.socatUdp, others.socat, 2))
  }
  return list
}
