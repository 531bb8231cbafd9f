/**
 * The partition server without its sockets: commands in, replies out, everything synchronous.
 *
 * A turn of the server is: any number of commands and events, then `flush()`, which makes all of them durable in one
 * transaction and says what they caused. Only after that may the turn's replies be written, then its notifications,
 * then its power work begun: so whatever anybody has seen survives a kill at any instant.
 */
import type { Clock } from "../transport/clock.ts"
import { BoardHealth } from "./board-health.ts"
import { BoardService, type BoardServiceEvent, type FailingBoard, TRIAL_INTERVAL_MS } from "./board-service.ts"
import { Changes } from "./changes.ts"
import type { MachineConfig, ServerSettings, SpallocConfig } from "./config.ts"
import { type HeldFrame, type Holding, isSettled } from "./holding.ts"
import { Holdings } from "./holdings.ts"
import { isExpired, type Job, jobMachine, jobState, NO_MACHINE } from "./job.ts"
import { JobBook } from "./job-book.ts"
import { type JobEvent, stepJob } from "./job-life.ts"
import { fingerprintOf, Machine } from "./machine.ts"
import type { Allocation } from "./machine-allocator.ts"
import { PowerLedger } from "./power-ledger.ts"
import { reconcileMachines } from "./reconcile-machines.ts"
import { Scheduler } from "./scheduler.ts"
import { Store, type StoredState } from "./store.ts"
import {
  type BoardPlace,
  CommandError,
  type Effects,
  type JobMachineReply,
  type JobRecord,
  type JobRequest,
  type JobStateReply,
  type MachineRecord,
  type PhysicalPlace,
  type PowerResult,
  type WhereIsQuery,
  type WhereIsReply,
} from "./types.ts"
import { type PlacedJob, whereIs } from "./where-is.ts"

/** Something that the person who runs the server should know. */
export type ControllerEvent =
  | { readonly type: "job-created"; readonly jobId: number; readonly owner: string; readonly host: string }
  | { readonly type: "job-allocated"; readonly jobId: number; readonly machine: string; readonly boards: number }
  | { readonly type: "job-destroyed"; readonly jobId: number; readonly reason: string | null }
  | { readonly type: "power-failed"; readonly machine: string; readonly bmp: string; readonly detail: string }
  | BoardServiceEvent

/** What a controller needs. */
export interface ControllerOptions {
  readonly config: SpallocConfig
  /** Path of the database file, or `:memory:`. */
  readonly state: string
  readonly clock: Clock
  /** Unix milliseconds; Date.now if absent. */
  readonly wallTime?: () => number
  readonly onEvent?: (event: ControllerEvent) => void
}

/** All jobs, machines and boards. Methods named after commands answer as the protocol does; `host` is the client's IP. */
export class Controller {
  #settings: ServerSettings
  readonly #store: Store
  readonly #clock: Clock
  readonly #wallTime: () => number
  readonly #onEvent: (event: ControllerEvent) => void
  /** In order of priority. */
  #machines = new Map<string, Machine>()
  readonly #jobs: JobBook
  readonly #health = new BoardHealth()
  readonly #power = new PowerLedger()
  #nextJobId = 1
  #triedAt: number
  #machineRecords: readonly MachineRecord[] | undefined

  readonly #changes = new Changes(this.#health)
  readonly #holdings = new Holdings({
    machines: () => this.#machines,
    changes: this.#changes,
    power: this.#power,
    restMs: () => this.#settings.secondsBeforeFree * 1000,
    wallTime: () => this.#wallTime(),
  })
  readonly #service = new BoardService({
    machines: () => this.#machines,
    health: this.#health,
    power: this.#power,
    changes: this.#changes,
    onEvent: (event) => this.#onEvent(event),
    isHeld: (frame, inFrame) => this.#holdings.isHeld(frame, inFrame),
  })
  readonly #scheduler = new Scheduler({
    machines: () => this.#machines,
    jobs: () => this.#jobs.live,
    start: (job, machine, allocation) => this.#allocate(job, machine, allocation),
    cancel: (job) => this.#destroy(job, "No suitable machines available."),
  })

  /** Opens the state, takes up what a former process left, and has work for `flush()` at once. Throws if it cannot. */
  constructor({ config, state, clock, wallTime = Date.now, onEvent = () => {} }: ControllerOptions) {
    this.#settings = config.settings
    this.#clock = clock
    this.#wallTime = wallTime
    this.#onEvent = onEvent
    this.#triedAt = clock.now()
    this.#jobs = new JobBook(config.settings.maxRetiredJobs)
    this.#store = new Store(state)
    try {
      this.#takeUp(config.machines, this.#store.load())
    } catch (error) {
      this.#store.close()
      throw error
    }
  }

  /** The settings in force. */
  get settings(): ServerSettings {
    return this.#settings
  }

  /** Id of the new job. Throws a CommandError beyond the limits of jobs. */
  createJob(request: JobRequest, host: string): number {
    this.#jobs.checkRoom(host, this.#settings)
    const id = this.#nextJobId++
    const job: Job = {
      id,
      request,
      creator: host,
      createdMs: this.#wallTime(),
      life: { kind: "queued" },
      seenAt: this.#clock.now(),
      seenFrom: host,
      holding: undefined,
    }
    this.#jobs.add(job)
    this.#changes.job(id)
    this.#onEvent({ type: "job-created", jobId: id, owner: request.owner, host })
    this.#scheduler.run(this.#scheduler.enqueue(job))
    return id
  }

  /** As all commands with a job id: an id of an odd type, or of no job, is not an error. */
  keepalive(jobId: unknown, host: string): void {
    this.#seen(jobId, host)
  }

  jobState(jobId: unknown, host: string): JobStateReply {
    const job = this.#seen(jobId, host)
    return job ? jobState(job) : this.#jobs.deadState(jobId)
  }

  jobMachineInfo(jobId: unknown, host: string): JobMachineReply {
    const placed = this.#placed(this.#seen(jobId, host))
    if (!placed) return NO_MACHINE
    const { machine, boards } = placed
    return jobMachine(machine, boards)
  }

  /** Throws a CommandError for another's job with owner-only. */
  power(jobId: unknown, on: boolean, host: string): void {
    const job = this.#seen(jobId, host)
    if (!job) return
    this.#mayChange(job, host)
    if (job.holding) this.#command(job, job.holding, on)
  }

  /** Throws a CommandError for another's job with owner-only. */
  destroyJob(jobId: unknown, reason: string | null, host: string): void {
    const job = this.#jobs.find(jobId)
    if (!job) return
    this.#mayChange(job, host)
    this.#destroy(job, reason)
    this.#scheduler.run(this.#machines.values())
  }

  /** The same array until something in it changes. */
  listJobs(): readonly JobRecord[] {
    return this.#jobs.records((job) => this.#placed(job)?.machine)
  }

  /** The same array until something in it changes. */
  listMachines(): readonly MachineRecord[] {
    this.#machineRecords ??= [...this.#machines.values()].map((machine) => machine.record())
    return this.#machineRecords
  }

  boardPosition(machineName: string, x: number, y: number, z: number): PhysicalPlace | null {
    const machine = this.#machines.get(machineName)
    return (machine?.torus.has(x, y, z) && machine.physicalOf(machine.torus.board(x, y, z))) || null
  }

  boardAtPosition(machineName: string, cabinet: number, frame: number, board: number): BoardPlace | null {
    const machine = this.#machines.get(machineName)
    const found = machine?.boardAt(cabinet, frame, board)
    return machine && found !== undefined ? machine.torus.place(found) : null
  }

  whereIs(query: WhereIsQuery): WhereIsReply | null {
    return whereIs(query, this.#machines, (id) => this.#placed(this.#jobs.live.get(id)))
  }

  /** Work that `flush()` gave out has ended. */
  powerDone(workId: number, result: PowerResult): void {
    const purpose = this.#power.ended(workId)
    if (!purpose) return
    const { frame, on } = purpose
    const machineName = purpose.kind === "holding" ? purpose.holding.machine : purpose.machine
    const isOrphan = purpose.kind === "holding" && purpose.holding.orphan
    const machine = isOrphan ? undefined : this.#machines.get(machineName)
    if (result.kind === "failed") {
      this.#onEvent({ type: "power-failed", machine: machineName, bmp: frame.bmp, detail: result.detail })
    }
    const serviceChanged = machine !== undefined && on && this.#service.judge(machine, frame, result)
    if (purpose.kind === "trial") this.#service.tried(purpose)
    else this.#frameDone(purpose.holding, frame, result)
    if (serviceChanged) this.#serviceChanged()
    else this.#scheduler.run(this.#machines.values())
  }

  /** Puts a board that failed back into service, and forgets its failures; false if it was in service. */
  restoreBoard(machineName: string, place: BoardPlace): boolean {
    if (!this.#service.restore(machineName, place)) return false
    this.#serviceChanged()
    return true
  }

  /** Boards that failed the last time or are out of service. */
  get failingBoards(): FailingBoard[] {
    return this.#service.failing
  }

  /** Ends jobs whose keepalive ran out and frees boards that have cooled. Call it every timeoutCheckIntervalS or oftener. */
  tick(): void {
    const now = this.#clock.now()
    for (const job of [...this.#jobs.live.values()]) if (isExpired(job, now)) this.#destroy(job, "Job timed out.")
    this.#holdings.freeRested()
    if (now - this.#triedAt >= TRIAL_INTERVAL_MS) {
      this.#triedAt = now
      this.#service.tryOut()
    }
    this.#scheduler.run(this.#machines.values())
  }

  /** Takes over another configuration; a line for each machine added, removed, changed or built anew. */
  reload(config: SpallocConfig): readonly string[] {
    this.#settings = config.settings
    this.#changes.forgotten(this.#jobs.setMaxRetired(config.settings.maxRetiredJobs))
    const { machines, gone, changed, lines } = reconcileMachines(this.#machines, config.machines)
    for (const name of changed) this.#changes.machine(name)
    for (const machine of gone) this.#removeMachine(machine)
    this.#machines = machines
    this.#machineRecords = undefined
    this.#changes.allMachines()
    this.#scheduler.requeue()
    return lines
  }

  /**
   * Commits the turn; what it returns must leave only after this. Cheap when nothing happened. Throws if the disk does
   * not take it: nothing is lost then, and the next flush tries again.
   */
  flush(): Effects {
    this.#commit()
    return { ...this.#changes.takeNews(), powerWork: this.#power.take() }
  }

  /** Commits and closes the state. Running jobs keep their power. */
  close(): void {
    this.#commit()
    this.#store.close()
  }

  #seen(jobId: unknown, host: string): Job | undefined {
    return this.#jobs.seen(jobId, host, this.#clock.now())
  }

  #placed(job: Job | undefined): PlacedJob | undefined {
    const machine = job?.holding && this.#machines.get(job.holding.machine)
    return machine && { machine, boards: job.holding!.allocation.boards }
  }

  #mayChange(job: Job, host: string): void {
    if (!this.#settings.ownerOnly || job.creator === host) return
    throw new CommandError(
      `job ${job.id} was created from ${job.creator}, and owner-only lets only that host switch or destroy it`,
    )
  }

  #stepJob(job: Job, event: JobEvent): void {
    job.life = stepJob(job.life, event)
    this.#jobs.changed()
    this.#changes.job(job.id)
  }

  /** Boards left or came back into service. */
  #serviceChanged(): void {
    this.#machineRecords = undefined
    this.#scheduler.requeue()
  }

  #allocate(job: Job, machine: Machine, allocation: Allocation): void {
    job.holding = this.#holdings.take(job.id, machine, allocation)
    this.#stepJob(job, { kind: "allocated" })
    this.#onEvent({ type: "job-allocated", jobId: job.id, machine: machine.name, boards: allocation.boards.length })
  }

  #command(job: Job, holding: Holding, on: boolean): void {
    this.#stepJob(job, { kind: "power", on })
    this.#power.command(holding, on)
  }

  #destroy(job: Job, why: string | null): void {
    this.#scheduler.leave(job)
    this.#stepJob(job, { kind: "destroy", reason: why })
    const reason = job.life.kind === "destroyed" ? job.life.reason : why
    this.#changes.retired(job.id, reason, this.#jobs.retire(job, reason))
    this.#onEvent({ type: "job-destroyed", jobId: job.id, reason })
    if (job.holding) this.#holdings.release(job.holding)
  }

  #frameDone(holding: Holding, frame: HeldFrame, result: PowerResult): void {
    const job = this.#jobs.live.get(holding.jobId)
    if (job && result.kind === "failed") {
      this.#destroy(job, `Machine configuration failed. Error: Requests failed on BMP ${frame.bmp}`)
      return
    }
    if (!isSettled(holding)) return
    if (job) this.#stepJob(job, { kind: "settled" })
    else this.#holdings.rest(holding)
  }

  /** The jobs on it die, and their boards are switched off without being given back to anything. */
  #removeMachine(machine: Machine): void {
    for (const job of [...this.#jobs.live.values()]) {
      if (job.holding?.machine === machine.name && !job.holding.orphan) this.#destroy(job, "Machine removed.")
    }
    this.#holdings.orphan(machine.name)
    this.#health.forget(machine)
    this.#changes.machine(machine.name)
  }

  #takeUp(configs: readonly MachineConfig[], stored: StoredState): void {
    this.#nextJobId = stored.nextJobId
    const former = new Map(stored.machines.map(({ name, fingerprint }) => [name, fingerprint]))
    for (const config of configs) this.#machines.set(config.name, new Machine(config))
    // Once a machine, not once a holding: a large machine's fingerprint takes half a millisecond.
    const unchanged = new Set(
      configs.filter((config) => fingerprintOf(config) === former.get(config.name)).map(({ name }) => name),
    )
    const isSame = (name: string) => unchanged.has(name)
    for (const { id, reason } of stored.retired) this.#changes.forgotten(this.#jobs.addRetired(id, reason))
    for (const machine of this.#machines.values()) {
      const ofMachine = stored.health.filter(({ machine: name }) => name === machine.name)
      if (isSame(machine.name)) this.#health.restore(machine, ofMachine)
    }
    this.#holdings.restore(stored.holdings, isSame)
    for (const row of stored.jobs) {
      const life = row.state === "queued" ? ({ kind: "queued" } as const) : { kind: row.state, on: row.power }
      const holding = this.#holdings.all.get(row.id)
      const request = JSON.parse(row.request) as JobRequest
      const { id, creator, createdMs } = row
      this.#jobs.add({ id, request, creator, createdMs, life, seenAt: this.#clock.now(), seenFrom: null, holding })
    }
    this.#resume()
    this.#changes.allMachines()
    this.#scheduler.requeue()
  }

  /** Power work that a former process may have left half done is given out again. */
  #resume(): void {
    for (const holding of [...this.#holdings.all.values()]) {
      const job = this.#jobs.live.get(holding.jobId)
      if (job && holding.orphan) {
        this.#destroy(job, "Machine removed.")
      } else if (job) {
        const machine = this.#machines.get(holding.machine)!
        for (const board of holding.allocation.boards) machine.holders.set(board, job.id)
        if (job.life.kind === "power") this.#power.command(holding, job.life.on)
      } else {
        this.#holdings.resume(holding)
      }
    }
    this.#service.endTrials()
  }

  #commit(): void {
    const state = {
      nextJobId: this.#nextJobId,
      jobs: this.#jobs.live,
      holdings: this.#holdings.all,
      machines: this.#machines,
    }
    this.#changes.commit(this.#store, state)
  }
}
