/** A fake machine of several boards behind a server and a client, in this process, over real sockets on loopback. */
import { freePorts } from "../../scripts/lib/free-port.ts"
import { parseShape } from "../../src/fake-board/shape-options.ts"
import { UdpBoard, type UdpBoardOptions } from "../../src/fake-board/udp-board.ts"
import type { AddressStore } from "../../src/relay/address-book.ts"
import { type Client, startClient } from "../../src/relay/client.ts"
import type { EndpointSettings } from "../../src/relay/endpoint.ts"
import { type Server, startServer } from "../../src/relay/server.ts"
import { testContext, testSettings } from "./chain.ts"
import type { RecordingObserver } from "./recording-observer.ts"
import { until } from "./until.ts"

/** What is running; `await using` ends it. */
export interface SeveralBoards extends AsyncDisposable {
  readonly machine: UdpBoard
  readonly server: Server
  readonly client: Client
  readonly serverObserver: RecordingObserver
  readonly clientObserver: RecordingObserver
  readonly serverSettings: EndpointSettings
  readonly clientSettings: EndpointSettings
  /** Where the client has the board or BMP of that address. */
  localOf(board: string): string | undefined
}

/** What a test varies. */
export interface SeveralBoardsOptions {
  /** Address of the machine's first board; the others follow upward. */
  readonly host: string
  /** Where the client listens for the first board. */
  readonly bind: string
  readonly board?: Omit<UdpBoardOptions, "host">
  readonly server?: Partial<EndpointSettings>
  readonly client?: Partial<EndpointSettings>
  readonly store?: AddressStore
}

/** Starts a booted 3-board machine, a server that has all its boards, and a client with -T; waits for `count` addresses. */
export async function startSeveralBoards(options: SeveralBoardsOptions, count = 3): Promise<SeveralBoards> {
  const shape = parseShape({ type: "spin5", boards: "1x1x3" })
  const machine = await UdpBoard.open({
    ...{ scpPort: 0, bootPort: 0, helloBroadcast: undefined, booted: true, shape },
    ...{ host: options.host, ...options.board },
  })
  const [scpTunnelPort, bootTunnelPort, scpPort, bootPort] = (await freePorts(4)) as [number, number, number, number]
  const tunnel = { scpTunnelPort, bootTunnelPort }
  const [target, ...boards] = machine.board.hosts as [string, ...string[]]
  const serverSettings = testSettings({
    ...{ ...tunnel, target, boards, scpPort: machine.scp.port, bootPort: machine.boot.port },
    ...options.server,
  })
  const clientSettings = testSettings({
    ...{ ...tunnel, scpPort, bootPort, sdpViaTcp: true, bind: [options.bind] },
    ...options.client,
  })
  const serverContext = testContext()
  const clientContext = { ...testContext(), ...(options.store && { addresses: options.store }) }
  const server = await startServer(serverSettings, serverContext)
  const client = await startClient(clientSettings, clientContext)
  const addresses = () => clientContext.observer.of("board-address")
  await until(() => addresses().length >= count, `${count} boards' addresses`)
  return {
    machine,
    server,
    client,
    serverObserver: serverContext.observer,
    clientObserver: clientContext.observer,
    serverSettings,
    clientSettings,
    localOf: (board) => addresses().findLast((event) => event.board === board)?.address,
    async [Symbol.asyncDispose]() {
      client.close()
      server.close()
      machine.close()
    },
  }
}
