/** A machine's shape and programs as a person types them: `--boards 1x1x3`, `--dead-link 0,0,2`, `--program 0,0,5=echo`. */
import type { PlacedProgram } from "./applications.ts"
import { type BoardType, CORES_PER_CHIP, LINKS, MAX_BOARDS, MachineShape } from "./machine-shape.ts"
import { parseProgram, programs } from "./programs/index.ts"

/** Why a shape option could not be read; says what was expected. */
export class ShapeOptionError extends Error {
  override readonly name = "ShapeOptionError"
}

/** The options as typed. */
export interface ShapeTexts {
  readonly type: BoardType
  readonly boards?: string | undefined
  readonly size?: string | undefined
  readonly deadChips?: readonly string[]
  readonly deadCores?: readonly string[]
  readonly deadLinks?: readonly string[]
}

/** Side of a triad in chips. */
const TRIAD = 12

/** The shape that the options describe. */
export function parseShape(texts: ShapeTexts): MachineShape {
  const triads = parseTriads(texts)
  const chip = (text: string): { x: number; y: number } => {
    const [x, y] = numbers(text, ["x", "y"], [255, 255])
    return { x: x!, y: y! }
  }
  return new MachineShape({
    type: texts.type,
    ...(triads && { triads }),
    deadChips: (texts.deadChips ?? []).map(chip),
    deadCores: (texts.deadCores ?? []).map((text) => {
      const [x, y, core] = numbers(text, ["x", "y", "core"], [255, 255, CORES_PER_CHIP - 1])
      return { x: x!, y: y!, core: core! }
    }),
    deadLinks: (texts.deadLinks ?? []).map((text) => {
      const [x, y, link] = numbers(text, ["x", "y", "link"], [255, 255, LINKS - 1])
      return { x: x!, y: y!, link: link! }
    }),
  })
}

/** `x,y,core=name:option=number,...`. */
export function parsePlacedProgram(text: string): PlacedProgram {
  const equals = text.indexOf("=")
  const program = parseProgram(text.slice(equals + 1))
  if (equals < 0 || !program) {
    const names = [...programs.keys()].join(" or ")
    throw new ShapeOptionError(`${JSON.stringify(text)}: expected x,y,core=PROGRAM, PROGRAM being ${names}`)
  }
  const [x, y, core] = numbers(text.slice(0, equals), ["x", "y", "core"], [255, 255, CORES_PER_CHIP - 1])
  return { x: x!, y: y!, core: core!, program }
}

function parseTriads({ type, boards, size }: ShapeTexts): { width: number; height: number } | undefined {
  if (boards !== undefined && size !== undefined) throw new ShapeOptionError("--boards and --size exclude each other")
  const match = /^(\d{1,3})x(\d{1,3})(?:x3)?$/.exec(boards ?? size ?? "")
  if (boards === undefined && size === undefined) return undefined
  if (type !== "spin5") throw new ShapeOptionError("machines of many boards are made of spin5 boards")
  const [width, height] = match ? [Number(match[1]), Number(match[2])] : [0, 0]
  // One board has a size too, and may be asked for by it.
  if (size === "8x8" || boards === "1x1x1") return undefined
  const side = boards === undefined ? TRIAD : 1
  const asTriads =
    boards !== undefined && !boards.endsWith("x3") ? undefined : { width: width / side, height: height / side }
  const fits = asTriads && Number.isInteger(asTriads.width) && Number.isInteger(asTriads.height)
  if (!fits || asTriads.width * asTriads.height < 1 || asTriads.width * asTriads.height * 3 > MAX_BOARDS) {
    const what = boards === undefined ? "8x8, or multiples of 12 such as 12x24" : "triads as WIDTHxHEIGHTx3"
    throw new ShapeOptionError(`${JSON.stringify(boards ?? size)}: expected ${what}, at most ${MAX_BOARDS} boards`)
  }
  return asTriads
}

function numbers(text: string, names: readonly string[], limits: readonly number[]): number[] {
  const parts = text.split(",")
  const values = parts.map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : Number.NaN))
  if (parts.length !== names.length || !values.every((value, index) => value <= limits[index]!)) {
    const expected = names.map((name, index) => `${name} 0..${limits[index]}`).join(", ")
    throw new ShapeOptionError(`${JSON.stringify(text)}: expected ${expected}`)
  }
  return values
}
