/** What is wrong with a configuration file, in words. */
import type { Complaint, Position, TomlNode } from "./toml.ts"

/** Takes note of what is wrong at a place. */
export type Complain = (at: Position, text: string) => void

/** Complains of a value of another kind or beyond its range. */
export function wrong(node: TomlNode, name: string, expected: string, complain: Complain): undefined {
  complain(node, `${name} is ${describe(node)}: expected ${expected}`)
  return undefined
}

function describe(node: TomlNode): string {
  switch (node.kind) {
    case "table":
      return "a table"
    case "list":
      return "a list"
    case "string":
      return show(node.value)
    case "boolean":
      return String(node.value)
    default:
      return node.source.slice(0, MAX_SHOWN)
  }
}

/** Characters of a value that a complaint shows. */
const MAX_SHOWN = 60
/** A text as a complaint shows it: in quotes, not too long, nothing that steers a terminal. */
export const show = (value: string): string =>
  JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}...` : value).replace(/\p{C}/gu, "?")
/** `relay.toml:3:8: what is wrong`, a line each, at most `limit` of them. */
export function formatComplaints(file: string, complaints: readonly Complaint[], limit = 20): string {
  const lines = complaints.slice(0, limit).map(({ line, column, text }) => `${file}:${line}:${column}: ${text}`)
  const more = complaints.length - lines.length
  return [...lines, ...(more > 0 ? [`${file}: and ${more} more`] : [])].join("\n")
}
