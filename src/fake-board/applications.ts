/**
 * Applications on a machine's cores: starting, signals, counting. Nothing is executed but the built-in programs; other
 * cores only go through the states that a host looks at. Source: spinnaker_tools 4.0.0, scamp-app.c.
 */
import type { Chip } from "./chip.ts"
import { assignCores } from "./chip-start.ts"
import { afterSignal, CoreState, Signal } from "./core-state.ts"
import type { Machine } from "./machine.ts"
import { SDRAM_SYSTEM, SV_BASE, Sv } from "./memory-map.ts"
import { PROGRAM_MAGIC, type ProgramSpec, parseProgram, programs } from "./programs/index.ts"

/** Bits of application cores in a core mask: the monitor is bit 0 and never among them. */
const APPLICATION_CORES = 0x3fffe
/** Bit of the flags of a start that makes cores wait for the start signal. */
const WAIT_FLAG = 1
/** Most bytes of an image that can name a built-in program. */
const MAGIC_BYTES = 64

/** A program put on a core by the command line. */
export interface PlacedProgram {
  readonly x: number
  readonly y: number
  readonly core: number
  readonly program: ProgramSpec
}

/** Which cores a signal or count is about: those whose application, masked, equals `appId`. */
export interface AppSelection {
  readonly appId: number
  readonly appMask: number
}

/** All applications of one machine. */
export class Applications {
  /** Programs that wait for the start signal, by place. */
  readonly #waiting = new Map<string, ProgramSpec>()

  constructor(
    private readonly machine: Machine,
    private readonly placed: readonly PlacedProgram[],
  ) {}

  /** Starts the programs that were placed on a chip. */
  startPlaced(chip: Chip): void {
    for (const { x, y, core, program } of this.placed) {
      if (x !== chip.x || y !== chip.y || core < 1 || core >= chip.cores) continue
      chip.setCore(core, CoreState.running, 255)
      this.#run(chip, core, program)
    }
  }

  /** Starts what lies at `address` on the cores in `idFlagsMask` (app id << 24 | flags << 18 | cores). */
  start(chip: Chip, address: number, idFlagsMask: number): void {
    const cores = idFlagsMask & APPLICATION_CORES & ((1 << chip.cores) - 1)
    const appId = idFlagsMask >>> 24
    const wait = ((idFlagsMask >>> 18) & WAIT_FLAG) !== 0
    if (cores === 0) return
    chip.noteApp(appId, cores)
    const program = builtInAt(chip, address)
    for (const core of coresOf(cores)) {
      this.#end(chip, core)
      // Application 0 is SARK itself, which sits idle.
      const state = appId === 0 ? CoreState.idle : wait ? CoreState.waiting : CoreState.running
      chip.setCore(core, state, appId)
      chip.stampStart(core)
      chip.setAppName(core, program?.name ?? (appId === 0 ? "sark" : `app-${appId}`))
      if (program && state === CoreState.running) this.#run(chip, core, program)
      else if (program) this.#waiting.set(placeKey(chip, core), program)
    }
  }

  /** Sends a signal (signal << 16 | mask << 8 | app id) to every chip. */
  signal(data: number): void {
    for (const chip of this.machine.chips()) this.#signalChip(chip, data)
  }

  /** How many of `chips`' application cores are selected and in `state`. */
  count(
    chips: Iterable<Chip>,
    { appId, appMask }: AppSelection,
    state: number,
  ): { matching: number; selected: number } {
    let matching = 0
    let selected = 0
    for (const chip of chips) {
      for (let core = 1; core < chip.cores; core++) {
        if ((chip.appId(core) & appMask) !== appId) continue
        selected++
        if (chip.coreState(core) === state) matching++
      }
    }
    return { matching, selected }
  }

  /** Takes a core out of use and restarts all others as idle ones. */
  remap(chip: Chip, physical: number): void {
    const working = Array.from({ length: chip.cores }, (_, core) => chip.physicalCore(core))
    for (let core = 1; core < chip.cores; core++) this.#end(chip, core)
    assignCores(
      chip,
      working.filter((core) => core !== physical),
    )
  }

  #signalChip(chip: Chip, data: number): void {
    const signal = (data >>> 16) & 15
    const appMask = (data >>> 8) & 0xff
    const appId = data & 0xff
    if (signal === Signal.stop) {
      for (let id = appId; (id & appMask) === appId && id < 256; id++) chip.cleanApp(id)
    }
    for (let core = 1; core < chip.cores; core++) {
      if ((chip.appId(core) & appMask) !== appId || chip.coreState(core) === CoreState.dead) continue
      this.#signalCore(chip, core, signal)
    }
  }

  #signalCore(chip: Chip, core: number, signal: number): void {
    switch (signal) {
      case Signal.initialise:
      case Signal.stop:
        this.#end(chip, core)
        chip.setCore(core, CoreState.idle, 0)
        chip.setAppName(core, "sark")
        return
      case Signal.powerDown:
        this.#end(chip, core)
        chip.setCore(core, CoreState.powerDown, 0)
        return
      default: {
        const state = afterSignal(signal, chip.coreState(core))
        if (state === undefined) return
        chip.setCore(core, state)
        const program = this.#waiting.get(placeKey(chip, core))
        if (state === CoreState.exited) this.#end(chip, core)
        else if (program && signal === Signal.start) this.#run(chip, core, program)
      }
    }
  }

  #run(chip: Chip, core: number, { name, options }: ProgramSpec): void {
    this.#end(chip, core)
    const starter = programs.get(name)
    if (!starter) return
    chip.setAppName(core, name)
    const ethernet = chip.memory.readU16(SV_BASE + Sv.ethernetAddress)
    const context = {
      clock: this.machine.outside.clock,
      x: chip.x,
      y: chip.y,
      core,
      sendByTag: (
        tag: number,
        header: { flags: number; srcPort: number; destPort: number; destCpu: number },
        payload: Uint8Array,
      ): void =>
        this.machine.router.send(
          chip,
          { ...header, tag, srcCpu: core, srcX: chip.x, srcY: chip.y, destX: ethernet >> 8, destY: ethernet & 0xff },
          payload,
        ),
    }
    chip.programs.set(core, starter(context, options))
  }

  #end(chip: Chip, core: number): void {
    chip.programs.get(core)?.stop()
    chip.programs.delete(core)
    this.#waiting.delete(placeKey(chip, core))
  }
}

const placeKey = (chip: Chip, core: number): string => `${chip.address}:${core}`

function* coresOf(mask: number): Generator<number> {
  for (let core = 1; core < 18; core++) if (mask & (1 << core)) yield core
}

/** The built-in program that an image names in its first bytes, if it does. */
function builtInAt(chip: Chip, address: number): ProgramSpec | undefined {
  const text = Buffer.from(chip.memory.read(address, MAGIC_BYTES)).toString("latin1")
  const end = text.indexOf("\0")
  if (!text.startsWith(PROGRAM_MAGIC) || end < 0) return undefined
  return parseProgram(text.slice(PROGRAM_MAGIC.length, end))
}

/** Where AR and flood fills start applications from. */
export const APLX_ADDRESS = SDRAM_SYSTEM
