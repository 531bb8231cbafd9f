/** A fake board, a server and a client in this process, over real sockets on loopback: what a test sends through. */

import { freePorts } from "../../scripts/lib/free-port.ts"
import { UdpBoard, type UdpBoardOptions } from "../../src/fake-board/udp-board.ts"
import { type Client, startClient } from "../../src/relay/client.ts"
import type { EndpointContext, EndpointSettings } from "../../src/relay/endpoint.ts"
import { RELAY_LIMITS } from "../../src/relay/relay.ts"
import { type Server, startServer } from "../../src/relay/server.ts"
import { systemClock } from "../../src/transport/clock.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { RecordingObserver } from "./recording-observer.ts"

/** The four ways to carry SCP and boots. */
export const MODES = [
  { name: "UDP", bootViaTcp: false, sdpViaTcp: false },
  { name: "-t", bootViaTcp: true, sdpViaTcp: false },
  { name: "-T", bootViaTcp: false, sdpViaTcp: true },
  { name: "-t -T", bootViaTcp: true, sdpViaTcp: true },
] as const

/** One of the four. */
export type Mode = (typeof MODES)[number]

/** Settings on free loopback ports, to be changed by a test. */
export function testSettings(change: Partial<EndpointSettings> = {}): EndpointSettings {
  return {
    target: "127.0.0.1",
    bootViaTcp: false,
    sdpViaTcp: false,
    scpPort: 0,
    bootPort: 0,
    scpTunnelPort: 0,
    bootTunnelPort: 0,
    bind: ["127.0.0.1"],
    allow: undefined,
    limits: RELAY_LIMITS,
    scpGuard: true,
    bootRepair: true,
    bootGapMs: 10,
    tagBufferBytes: 8 << 20,
    ...change,
  }
}

/** A context with the machine's clock and an observer of its own. */
export function testContext(): EndpointContext & { observer: RecordingObserver } {
  return { clock: systemClock, random: seededRandom(1), observer: new RecordingObserver() }
}

/** A running chain; `await using` ends it. */
export interface Chain extends AsyncDisposable {
  readonly board: UdpBoard
  readonly server: Server
  readonly client: Client
  readonly serverObserver: RecordingObserver
  readonly clientObserver: RecordingObserver
  readonly serverSettings: EndpointSettings
  readonly clientSettings: EndpointSettings
}

/** Starts all three. */
export async function startChain(
  mode: Mode,
  options: { board?: UdpBoardOptions; change?: Partial<EndpointSettings> } = {},
): Promise<Chain> {
  const board = await UdpBoard.open({ scpPort: 0, bootPort: 0, helloBroadcast: undefined, ...options.board })
  const [scpTunnelPort, bootTunnelPort] = (await freePorts(2)) as [number, number]
  const { bootViaTcp, sdpViaTcp } = mode
  const common = { bootViaTcp, sdpViaTcp, scpTunnelPort, bootTunnelPort, ...options.change }
  const serverSettings = testSettings({
    ...common,
    target: board.scp.host,
    scpPort: board.scp.port,
    bootPort: board.boot.port,
  })
  const clientSettings = testSettings(common)
  const serverContext = testContext()
  const clientContext = testContext()
  const server = await startServer(serverSettings, serverContext)
  const client = await startClient(clientSettings, clientContext)
  return {
    board,
    server,
    client,
    serverObserver: serverContext.observer,
    clientObserver: clientContext.observer,
    serverSettings,
    clientSettings,
    async [Symbol.asyncDispose]() {
      client.close()
      server.close()
      board.close()
    },
  }
}
