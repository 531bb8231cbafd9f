/**
 * The spalloc server's outside: clients on TCP, turns, timers and limits. A turn gathers what clients asked for; its end
 * makes that durable, then sends the replies, then the notifications, then begins the power work.
 */
import { encodeJsonLine } from "../protocol/json-lines.ts"
import { type Address, formatAddress } from "../transport/address.ts"
import { AllowList } from "../transport/allow.ts"
import { type Clock, every, type Timer } from "../transport/clock.ts"
import { StreamListener } from "../transport/stream-listener.ts"
import type { PausablePort } from "../transport/tcp-port.ts"
import type { FailingBoard } from "./board-service.ts"
import { ClientConnection, type ClientOwner, COMMAND_TIME_A_TURN_MS } from "./client-connection.ts"
import { type Answer, runCommand } from "./commands.ts"
import type { SpallocConfig } from "./config.ts"
import type { BoardsControl } from "./control.ts"
import type { Controller } from "./controller.ts"
import type { JsonObject } from "./line-codec.ts"
import { Notifier } from "./notifier.ts"
import type { DisconnectReason, SpallocEvent } from "./spalloc-events.ts"
import { Turns } from "./turns.ts"
import type { BoardPlace, MachineRecord, PowerResult, PowerWork } from "./types.ts"

/** Connections in all. */
export const MAX_CONNECTIONS = 20_000
/** Bytes that may wait for all clients together, in and out. */
export const MAX_HELD_BYTES = 256 << 20

/** A state that could not be written is tried again after this. */
const WRITE_RETRY_MS = 1_000

/** Does power work; `done` is called once for each, in any order. */
export interface PowerRunner {
  run(work: PowerWork, done: (result: PowerResult) => void): void
}

export interface ServerOptions {
  readonly controller: Controller
  readonly power: PowerRunner
  readonly clock: Clock
  readonly onEvent: (event: SpallocEvent) => void
  /** Where to listen instead of where the configuration says. */
  readonly address?: Partial<Address>
}

/** A running server. */
export class SpallocServer implements ClientOwner, BoardsControl {
  readonly clock: Clock
  readonly notifier = new Notifier()
  /** Clients parted from, by reason. */
  readonly parted = new Map<DisconnectReason, number>()
  readonly #options: ServerOptions
  readonly #listener: StreamListener
  readonly #clients = new Set<ClientConnection>()
  readonly #perHost = new Map<string, number>()
  readonly #turns: Turns
  /** Lines of long answers that many ask for, by what they tell. */
  readonly #sharedLines = new WeakMap<object, Uint8Array>()
  #lookTimer: Timer
  readonly #deadlineTimer: Timer
  /** Clients with replies that must not leave before what they tell of is durable. */
  #owed = new Set<ClientConnection>()
  #allow: AllowList | undefined
  #heldBytes = 0
  #turn = false
  #closed = false

  /** Binds at once; throws Bun's error with its `code` where it cannot. */
  constructor(options: ServerOptions) {
    const { controller, clock, address } = options
    const { listen, port } = controller.settings
    this.#options = options
    this.clock = clock
    this.#turns = new Turns(clock, COMMAND_TIME_A_TURN_MS)
    this.#takeSettings()
    this.#listener = new StreamListener({
      address: { host: address?.host ?? listen, port: address?.port ?? port },
      onConnection: (port) => this.#accept(port),
    })
    this.#lookTimer = this.#lookRegularly()
    this.#deadlineTimer = every(clock, 1000, () => this.#checkDeadlines())
    options.onEvent({ type: "listening", address: formatAddress(this.#listener.address) })
    // Work that a former process left behind.
    this.#endTurnSoon()
  }

  get address(): Address {
    return this.#listener.address
  }

  /** Clients connected now. */
  get clientCount(): number {
    return this.#clients.size
  }

  /** Bytes that wait for all clients together. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * Takes over another configuration; address and port stay. Boards that were taken out of service get another chance:
   * whoever reloads has seen to them. Returns a line for each machine that changes.
   */
  reload(config: SpallocConfig): readonly string[] {
    const { controller } = this.#options
    const lines = controller.reload(config)
    for (const { name, dead_boards } of controller.listMachines()) {
      const configured = new Set(config.machines.find((machine) => machine.name === name)?.deadBoards.map(String))
      for (const board of dead_boards) if (!configured.has(String(board))) controller.restoreBoard(name, board)
    }
    this.#takeSettings()
    this.#lookTimer.cancel()
    this.#lookTimer = this.#lookRegularly()
    this.#endTurnSoon()
    return lines
  }

  get machines(): readonly MachineRecord[] {
    return this.#options.controller.listMachines()
  }

  get failingBoards(): readonly FailingBoard[] {
    return this.#options.controller.failingBoards
  }

  restoreBoard(machine: string, board: BoardPlace): boolean {
    const isRestored = this.#options.controller.restoreBoard(machine, board)
    // Durable before anybody is told.
    this.#endTurnSoon()
    this.#endTurn()
    return isRestored
  }

  /** Stops listening, parts from everybody and closes the state; jobs keep their boards and power. */
  close(): void {
    this.#endTurn()
    this.#closed = true
    this.#lookTimer.cancel()
    this.#deadlineTimer.cancel()
    this.#listener.close()
    for (const client of [...this.#clients]) client.close()
    this.#options.controller.close()
  }

  onRequest(client: ClientConnection, request: JsonObject): void {
    const { controller, onEvent } = this.#options
    let reply: Uint8Array
    let changed = true
    try {
      const answer = runCommand(request, { controller, host: client.host, watches: client.watches })
      changed = answer.changed
      reply = this.#lineOf(answer)
    } catch (error) {
      onEvent({ type: "internal-error", where: "command", detail: String((error as Error)?.stack ?? error) })
      reply = encodeJsonLine({ exception: "The server has a fault and could not do that; its log tells more." })
    }
    if (changed) this.#endTurnSoon()
    // While the turn is open, what others read in it is not durable either.
    if (!this.#turn) {
      client.reply(reply)
      return
    }
    client.owe(reply)
    this.#owed.add(client)
  }

  later(run: () => void): void {
    this.#turns.add(run)
  }

  onHeld(change: number): boolean {
    this.#heldBytes += change
    return change < 0 || this.#heldBytes <= MAX_HELD_BYTES
  }

  onOver(client: ClientConnection, reason: DisconnectReason | undefined): void {
    if (this.#clients.delete(client)) {
      const left = (this.#perHost.get(client.host) ?? 1) - 1
      if (left > 0) this.#perHost.set(client.host, left)
      else this.#perHost.delete(client.host)
    }
    if (reason !== undefined) this.#count(client.host, reason)
  }

  #lineOf({ reply, shared }: Answer): Uint8Array {
    const known = shared && this.#sharedLines.get(shared)
    if (known) return known
    const line = encodeJsonLine(reply)
    if (shared) this.#sharedLines.set(shared, line)
    return line
  }

  /** Looks at keepalives and rests as often as the configuration says. */
  #lookRegularly(): Timer {
    const { controller } = this.#options
    return every(this.clock, Math.min(controller.settings.timeoutCheckIntervalS, 5) * 1000, () => {
      controller.tick()
      this.#endTurnSoon()
    })
  }

  #takeSettings(): void {
    const { allow } = this.#options.controller.settings
    this.#allow = allow.length > 0 ? AllowList.parse(allow) : undefined
  }

  #accept(port: PausablePort): ClientConnection | undefined {
    const { maxConnectionsPerHost } = this.#options.controller.settings
    const { host } = port.peer
    if (this.#allow && !this.#allow.allows(host)) {
      return this.#refuse(port, "not-allowed", `${host} is not among the addresses that this server allows.`)
    }
    const here = this.#perHost.get(host) ?? 0
    if (here >= maxConnectionsPerHost) {
      const text = `${host} has ${here} connections already: max-connections-per-host is ${maxConnectionsPerHost}.`
      return this.#refuse(port, "too-many-connections", text)
    }
    if (this.#clients.size >= MAX_CONNECTIONS && !this.#makeRoom()) {
      return this.#refuse(port, "too-many-connections", `This server has ${MAX_CONNECTIONS} connections already.`)
    }
    const client = new ClientConnection(port, this)
    this.#clients.add(client)
    this.#perHost.set(host, here + 1)
    return client
  }

  #refuse(port: PausablePort, reason: DisconnectReason, exception: string): undefined {
    port.write(encodeJsonLine({ exception }))
    port.end()
    this.#count(port.peer.host, reason)
  }

  /** A connection that has never asked anything gives way to a new one. */
  #makeRoom(): boolean {
    for (const client of this.#clients) {
      if (client.spoken) continue
      client.drop("silent")
      return true
    }
    return false
  }

  #count(host: string, reason: DisconnectReason): void {
    const total = (this.parted.get(reason) ?? 0) + 1
    this.parted.set(reason, total)
    // The first ones are told, then every tenth, hundredth ...: a flood of them must not fill a disk.
    const step = 10 ** Math.max(0, Math.floor(Math.log10(total)))
    if (total % step === 0) this.#options.onEvent({ type: "client-refused", host, reason, total })
  }

  #checkDeadlines(): void {
    const now = this.clock.now()
    for (const client of [...this.#clients]) client.check(now)
  }

  #endTurnSoon(): void {
    if (this.#turn || this.#closed) return
    this.#turn = true
    setImmediate(() => this.#endTurn())
  }

  #endTurn(): void {
    if (!this.#turn || this.#closed) return
    const { controller, power, onEvent } = this.#options
    let effects: ReturnType<Controller["flush"]>
    try {
      effects = controller.flush()
    } catch (error) {
      // Nothing is lost, and nothing is told: the turn stays open until the disk takes it.
      onEvent({ type: "state-not-written", detail: (error as Error).message, retryMs: WRITE_RETRY_MS })
      this.clock.after(WRITE_RETRY_MS, () => this.#endTurn())
      return
    }
    this.#turn = false
    const owed = this.#owed
    this.#owed = new Set()
    for (const client of owed) client.pay()
    this.notifier.changed("jobs", effects.jobsChanged)
    this.notifier.changed("machines", effects.machinesChanged)
    if (effects.jobsChanged.length + effects.machinesChanged.length > 0) {
      for (const client of [...this.#clients]) if (client.hasNews) client.tell()
    }
    for (const work of effects.powerWork) {
      power.run(work, (result) => {
        if (this.#closed) return
        controller.powerDone(work.id, result)
        this.#endTurnSoon()
      })
    }
  }
}
