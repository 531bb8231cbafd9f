/** TOML text to a tree in which every key and every value knows where it stands. */
import { type AST, ParseError, parseTOML } from "toml-eslint-parser"

/** A place in a file; both count from 1, as editors do. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** A value, and where it begins. */
export type TomlNode = Position &
  (
    | { readonly kind: "table"; readonly entries: Map<string, TomlEntry> }
    | { readonly kind: "list"; readonly items: TomlNode[] }
    | { readonly kind: "string"; readonly value: string }
    | { readonly kind: "boolean"; readonly value: boolean }
    /** `value` of an integer beyond 2^53 is not exact; `source` is as written. */
    | { readonly kind: "integer" | "float"; readonly value: number; readonly source: string }
    | { readonly kind: "date"; readonly source: string }
  )

/** A table as a node. */
export type TomlTable = Extract<TomlNode, { kind: "table" }>

/** A key of a table: where the key stands, and its value. */
export interface TomlEntry extends Position {
  readonly value: TomlNode
}

/** Something that a person has to mend in the file. */
export interface Complaint extends Position {
  /** What is wrong, and what was expected. */
  readonly text: string
}

/** Longest text that is read, in characters: thousands of times what a lab needs. */
export const MAX_TOML_LENGTH = 1 << 20

/** The tree of `text`, or the one complaint of its syntax. TOML 1.1; a byte-order mark (Notepad) is passed over. */
export function parseToml(text: string): { root: TomlTable } | { complaint: Complaint } {
  if (text.length > MAX_TOML_LENGTH) {
    const limit = `at most ${MAX_TOML_LENGTH} characters are read`
    return {
      complaint: { line: 1, column: 1, text: `the file is too long: it has ${text.length} characters, ${limit}` },
    }
  }
  const plain = text.replace(/^\ufeff/, "")
  try {
    return { root: treeOf(parseTOML(plain, { tomlVersion: "1.1" })) }
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    return { complaint: syntaxComplaint(error, plain) }
  }
}

/** Words for what the parser says in terms of the language. */
const WORDS: Readonly<Record<string, string>> = {
  "Unspecified values are invalid": "a value is missing here",
  "Must be a newline": "the line should have ended here; one key = value a line",
  "Expected equal (=) token": 'expected "=" after the key',
  "Expected comma (,) token": 'expected "," or the end of the list',
  "Empty bare keys are not allowed": "a key is missing here",
  "Defining a key multiple times is invalid": "this is defined a second time",
  "Unterminated string constant": "the text in quotes does not end",
  "Unterminated array": 'the list does not end: "]" is missing',
  "Unterminated inline table": 'the table does not end: "}" is missing',
  "Unterminated table-key": 'the table\'s name does not end: "]" is missing',
  "The key, equals sign, and value must be on the same line": "this belongs on one line",
  "Invalid character in escape sequence":
    "a backslash in double quotes begins an escape: write \\\\ or use single quotes",
}

function syntaxComplaint(error: ParseError, text: string): Complaint {
  const at = { line: error.lineNumber, column: error.column + 1 }
  const before = text.slice(0, error.index).trimEnd()
  // The parser has looked for the value on the lines that follow.
  if (before.endsWith("=") && /^\s*(\n|$)/.test(text.slice(before.length))) {
    const lines = before.split("\n")
    return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1, text: "a value is missing here" }
  }
  // What people forget most. The parser stops somewhere within or behind the word.
  const line = text.split(/\r?\n/)[error.lineNumber - 1] ?? ""
  const bare = /^\s*[\w."-]+\s*=\s*([^\s"'=,[\]{}#]+)\s*(#.*)?$/.exec(line)?.[1] ?? ""
  // A word, or an address, which begins like a number.
  if (/^[A-Za-z_]|^\d+\.\d+\.|:.*:/.test(bare)) {
    const column = line.indexOf(bare, line.indexOf("=")) + 1
    return { line: at.line, column, text: `${bare} needs quotes around it: "${bare}"` }
  }
  return { ...at, text: WORDS[error.message] ?? error.message }
}

function treeOf(program: AST.TOMLProgram): TomlTable {
  const root: TomlTable = { kind: "table", line: 1, column: 1, entries: new Map() }
  for (const part of program.body[0].body) {
    if (part.type === "TOMLKeyValue") addKeyValue(root, part)
    else addTable(root, part)
  }
  return root
}

function addTable(root: TomlTable, part: AST.TOMLTable): void {
  const last = part.key.keys.length - 1
  let table = root
  for (const key of part.key.keys.slice(0, last)) table = tableAt(table, key)
  const key = part.key.keys[last]!
  if (part.kind === "standard") table = tableAt(table, key)
  else {
    const before = table.entries.get(nameOf(key))?.value
    const place = positionOf(part)
    const list = before?.kind === "list" ? before : { kind: "list" as const, ...place, items: [] as TomlNode[] }
    table.entries.set(nameOf(key), { ...positionOf(key), value: list })
    table = { kind: "table", ...place, entries: new Map() }
    list.items.push(table)
  }
  for (const pair of part.body) addKeyValue(table, pair)
}

function addKeyValue(table: TomlTable, pair: AST.TOMLKeyValue): void {
  const last = pair.key.keys.length - 1
  for (const key of pair.key.keys.slice(0, last)) table = tableAt(table, key)
  const key = pair.key.keys[last]!
  table.entries.set(nameOf(key), { ...positionOf(key), value: nodeOf(pair.value) })
}

/** The table that `key` leads to, made where there is none; of a list of tables the last. The parser has refused all else. */
function tableAt(table: TomlTable, key: AST.TOMLBare | AST.TOMLQuoted): TomlTable {
  const found = table.entries.get(nameOf(key))?.value
  const there = found?.kind === "list" ? found.items.at(-1) : found
  if (there?.kind === "table") return there
  const made: TomlTable = { kind: "table", ...positionOf(key), entries: new Map() }
  table.entries.set(nameOf(key), { ...positionOf(key), value: made })
  return made
}

function nodeOf(value: AST.TOMLContentNode): TomlNode {
  const place = positionOf(value)
  switch (value.type) {
    case "TOMLArray":
      return { kind: "list", ...place, items: value.elements.map(nodeOf) }
    case "TOMLInlineTable": {
      const table: TomlTable = { kind: "table", ...place, entries: new Map() }
      for (const pair of value.body) addKeyValue(table, pair)
      return table
    }
    case "TOMLValue":
      return scalarOf(value, place)
  }
}

function scalarOf(value: AST.TOMLValue, place: Position): TomlNode {
  switch (value.kind) {
    case "string":
      return { kind: "string", ...place, value: value.value }
    case "boolean":
      return { kind: "boolean", ...place, value: value.value }
    case "integer":
    case "float":
      return { kind: value.kind, ...place, value: value.value, source: value.number }
    default:
      return { kind: "date", ...place, source: value.datetime }
  }
}

const nameOf = (key: AST.TOMLBare | AST.TOMLQuoted): string => (key.type === "TOMLBare" ? key.name : key.value)
const positionOf = ({ loc: { start } }: AST.HasLocs): Position => ({ line: start.line, column: start.column + 1 })
