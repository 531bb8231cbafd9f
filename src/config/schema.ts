/**
 * What a configuration file may say, written down as values: `object({ port: optional(integer({ min: 1, max: 65535 }), 17896) })`.
 * Reading collects all complaints, each with its place, instead of ending at the first.
 */
import { closestWord } from "./closest-word.ts"
import { type Complain, show, wrong } from "./complaint.ts"
import { type Complaint, type Position, parseToml, type TomlNode } from "./toml.ts"

/** Reads one kind of value. */
export interface Schema<T> {
  /** What it takes, for complaints: "a whole number from 1 to 65535". */
  readonly expected: string
  /** The value; undefined if it is wrong, and then `complain` has been called. `name` is what complaints call it. */
  read(node: TomlNode, name: string, complain: Complain): T | undefined
}

/** A key of a table: the schema of its value, and what stands for it where the key is absent. */
export interface Field<T> {
  readonly schema: Schema<T>
  /** Absent for a key that must be there. */
  readonly absent?: { readonly value: T }
}

/** The value that a schema reads. */
export type ValueOf<S> = S extends Schema<infer T> ? T : never
type Fields = Readonly<Record<string, Field<unknown>>>
/** The values of a table by their keys in the file. */
export type ValuesOf<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }

/** A key that must be there. */
export function required<T>(schema: Schema<T>): Field<T> {
  return { schema }
}

/** A key that may be absent: it counts as `otherwise` then. */
export function optional<T>(schema: Schema<T>): Field<T | undefined>
export function optional<T>(schema: Schema<T>, otherwise: T): Field<T>
export function optional<T>(schema: Schema<T>, otherwise?: T): Field<T | undefined> {
  return { schema, absent: { value: otherwise } }
}

/** Where the value of a key stands; where it is absent, and for no key, the table itself. */
export type PlaceOf<F> = (key?: keyof F) => Position
/** Complaints of a table's own: at one of its keys, or at any place of the file. */
export type ComplainAt<F> = (where: keyof F | Position, text: string) => void

/**
 * A table with these keys and no others. `build` makes of its values what the program wants, and may complain of what
 * only shows when they are seen together; it is not called if any of them is wrong.
 */
export function object<F extends Fields>(fields: F): Schema<ValuesOf<F>>
export function object<F extends Fields, T>(
  fields: F,
  build: (values: ValuesOf<F>, complainAt: ComplainAt<F>, placeOf: PlaceOf<F>) => T,
): Schema<T>
export function object<F extends Fields, T>(
  fields: F,
  build?: (values: ValuesOf<F>, complainAt: ComplainAt<F>, placeOf: PlaceOf<F>) => T,
): Schema<T | ValuesOf<F>> {
  const known = Object.keys(fields)
  return {
    expected: "a table",
    read(node, name, complain) {
      if (node.kind !== "table") return wrong(node, name, "a table", complain)
      let sound = true
      const noted: Complain = (at, text) => {
        sound = false
        complain(at, text)
      }
      for (const [key, entry] of node.entries) {
        if (!known.includes(key)) noted(entry, unknownKey(key, known))
      }
      const values = known.map((key) => {
        const entry = node.entries.get(key)
        const { schema, absent } = fields[key]!
        const path = name === "" ? key : `${name}.${key}`
        if (entry) return [key, schema.read(entry.value, path, noted)]
        if (!absent) noted(node, `${path} is missing: expected ${schema.expected}`)
        return [key, absent?.value]
      })
      if (!sound) return undefined
      const found = Object.fromEntries(values) as ValuesOf<F>
      if (!build) return found
      const placeOf: PlaceOf<F> = (key) => place((key !== undefined && node.entries.get(String(key))?.value) || node)
      const complainAt: ComplainAt<F> = (where, text) => noted(typeof where === "object" ? where : placeOf(where), text)
      const built = build(found, complainAt, placeOf)
      return sound ? built : undefined
    },
  }
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = closestWord(key, known)
  const shown = show(key)
  return meant
    ? `unknown key ${shown}: did you mean ${meant}?`
    : `unknown key ${shown}: known here are ${known.join(", ")}`
}

/** A list of such values. */
export function listOf<T>(schema: Schema<T>, size: { min?: number; max?: number } = {}): Schema<readonly T[]> {
  const { min = 0, max = 10_000 } = size
  const count = min === max ? `${min}` : max === 10_000 ? (min > 0 ? `${min} or more` : "") : `${min} to ${max}`
  const expected = `a list of ${count === "" ? "" : `${count}, `}each ${schema.expected}`
  return {
    expected,
    read(node, name, complain) {
      if (node.kind !== "list") return wrong(node, name, expected, complain)
      if (node.items.length < min || node.items.length > max) {
        complain(node, `${name} has ${node.items.length}: expected ${expected}`)
        return undefined
      }
      const values = node.items.map((item) => schema.read(item, name, complain))
      return values.every((value) => value !== undefined) ? (values as T[]) : undefined
    },
  }
}

/** Either of two kinds of value: the first whose shape fits is asked. */
export function either<A, B>(first: Schema<A>, second: Schema<B>): Schema<A | B> {
  const expected = `${first.expected}, or ${second.expected}`
  return {
    expected,
    read(node, name, complain) {
      const complaints: Complaint[] = []
      const noted: Complain = (at, text) => complaints.push({ ...place(at), text })
      const value = first.read(node, name, noted) ?? second.read(node, name, noted)
      if (value !== undefined) return value
      // A list's or table's own complaints say more than that it is not the other thing.
      const inner = complaints.filter((complaint) => complaint.line !== node.line || complaint.column !== node.column)
      if (inner.length === 0) return wrong(node, name, expected, complain)
      for (const complaint of inner) complain(complaint, complaint.text)
      return undefined
    },
  }
}

/** What reading a file came to. */
export type ReadResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly complaints: readonly Complaint[] }

/** Reads `toml` as `schema` says; all complaints, in the file's order. */
export function readToml<T>(toml: string, schema: Schema<T>): ReadResult<T> {
  const tree = parseToml(toml)
  if ("complaint" in tree) return { ok: false, complaints: [tree.complaint] }
  const complaints: Complaint[] = []
  const value = schema.read(tree.root, "", (at, text) => complaints.push({ ...place(at), text }))
  if (complaints.length === 0 && value !== undefined) return { ok: true, value }
  return { ok: false, complaints: complaints.sort((a, b) => a.line - b.line || a.column - b.column) }
}

const place = ({ line, column }: Position): Position => ({ line, column })
