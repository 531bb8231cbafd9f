/** Fake boards behind a safe server, and clients of several users, in this process, over real sockets on loopback. */
import { randomBytes } from "node:crypto"
import { freePorts } from "../../scripts/lib/free-port.ts"
import { UdpBoard, type UdpBoardOptions } from "../../src/fake-board/udp-board.ts"
import type { EndpointSettings } from "../../src/relay/endpoint.ts"
import type { BoardGrant, Key } from "../../src/relay/key.ts"
import { KeyBook } from "../../src/relay/key-book.ts"
import { LEASE_DEFAULTS, type LeaseSettings } from "../../src/relay/lease-settings.ts"
import { type SafeServer, startSafeServer } from "../../src/relay/safe-server.ts"
import { type BoardConfig, SERVER_LIMITS, type ServerConfig } from "../../src/relay/server-config.ts"
import { startTunnelClient, type TunnelClient } from "../../src/relay/tunnel-client.ts"
import { type Clock, systemClock } from "../../src/transport/clock.ts"
import type { ClientKey } from "../../src/transport/tunnel/greeting.ts"
import { testContext, testSettings } from "./chain.ts"
import { MemoryStore } from "./memory-store.ts"
import type { RecordingObserver } from "./recording-observer.ts"
import { until } from "./until.ts"

const HOUR_MS = 3_600_000

/** What a test varies. */
export interface SafeChainOptions {
  /** A fake board each, in the configuration as board-a, board-b and so on. */
  readonly boards?: readonly UdpBoardOptions[]
  readonly lease?: Partial<LeaseSettings>
  readonly config?: Partial<ServerConfig>
  readonly usual?: Partial<EndpointSettings>
  readonly legacy?: EndpointSettings
  /** Of everything but the keys. */
  readonly clock?: Clock
}

/** One user's client. */
export interface SafeClient {
  readonly client: TunnelClient
  readonly observer: RecordingObserver
  readonly settings: EndpointSettings
  /** Attempts that came to nothing. */
  readonly downs: string[]
  /** Where this client has the board of that name. */
  addressOf(board: string): string | undefined
}

/** What is running; `await using` ends it. */
export class SafeChain implements AsyncDisposable {
  readonly clients: SafeClient[] = []

  private constructor(
    readonly boards: readonly UdpBoard[],
    readonly keys: KeyBook,
    readonly server: SafeServer,
    readonly observer: RecordingObserver,
    private readonly clock: Clock,
  ) {}

  /** Starts boards and server. */
  static async start(options: SafeChainOptions = {}): Promise<SafeChain> {
    const { clock = systemClock } = options
    const boards: UdpBoard[] = []
    for (const board of options.boards ?? [{ booted: true }]) {
      boards.push(await UdpBoard.open({ clock, scpPort: 0, bootPort: 0, helloBroadcast: undefined, ...board }))
    }
    const context = { ...testContext(), clock }
    const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
    const keys = KeyBook.open(new MemoryStore(), { now: Date.now, randomBytes: random })
    const config: ServerConfig = {
      ...{ name: "pi", listen: ["127.0.0.1"], port: 0, allow: [], limits: SERVER_LIMITS },
      boards: boards.map((board, index) => placed(board, nameAt(index), options.lease)),
      ...options.config,
    }
    const newId = (): string => randomBytes(16).toString("hex")
    const usual = testSettings(options.usual)
    const common = { config, machineName: "machine", keys, newId, usual, legacy: options.legacy }
    return new SafeChain(boards, keys, await startSafeServer(common, context), context.observer, clock)
  }

  /** The only board, or the first. */
  get board(): UdpBoard {
    return this.boards[0]!
  }

  /** A device's key for `user`, as join leaves one behind. */
  key(user: string, boards: BoardGrant = "all"): ClientKey {
    const secret = new Uint8Array(randomBytes(32))
    const ticket = this.keys.invite(user, boards, HOUR_MS)
    return { id: this.keys.redeem(ticket.id, { name: `${user}'s laptop`, secret }), secret }
  }

  /** Takes a user's keys, as the command does; returns how many sessions ended. */
  revoke(user: string): { keys: readonly Key[]; sessions: number } {
    return { keys: this.keys.revoke(user), sessions: this.server.keysChanged() }
  }

  /** A client with that key that has its boards; `port`: of the server, or what stands before it. */
  async client(
    key: ClientKey,
    change: Partial<EndpointSettings> = {},
    { port = this.server.port, ready = true }: { port?: number; ready?: boolean } = {},
  ): Promise<SafeClient> {
    const [scpPort, bootPort] = (await freePorts(2)) as [number, number]
    const context = { ...testContext(), clock: this.clock }
    const { observer } = context
    const settings = testSettings({ bootViaTcp: true, sdpViaTcp: true, scpPort, bootPort, bootGapMs: 0, ...change })
    const downs: string[] = []
    const onDown = (_why: string, detail: string): void => void downs.push(detail)
    const addresses = [{ host: "127.0.0.1", port }]
    const client = await startTunnelClient({ name: "pi", addresses, key, onDown }, settings, context)
    const addressOf = (board: string): string | undefined =>
      observer.of("board-address").findLast((event) => event.board === board)?.address
    const started: SafeClient = { client, observer, settings, downs, addressOf }
    this.clients.push(started)
    let there = !ready
    void client.ready.then(() => {
      there = true
    })
    await until(() => there, "the server's boards")
    return started
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client } of this.clients) client.close()
    this.server.close()
    for (const board of this.boards) board.close()
  }
}

/** How a configuration names a fake board. */
export function placed(board: UdpBoard, name: string, lease: Partial<LeaseSettings> = {}): BoardConfig {
  const ports = { scpPort: board.scp.port, bootPort: board.boot.port }
  const more = { type: "auto", bmp: undefined, lease: { ...LEASE_DEFAULTS, ...lease } } as const
  return { name, address: board.scp.host, ...ports, ...more }
}

const nameAt = (index: number): string => `board-${String.fromCharCode(97 + index)}`
