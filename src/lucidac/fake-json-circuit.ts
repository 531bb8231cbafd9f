/** What a fake device of the older generation is made of, and its configuration. */
import { isJsonObject } from "../protocol/json-lines.ts"
import { carrierOf } from "./entity-path.ts"

/** Class, type, variant and version of a block, as these devices write them. */
const BLOCKS: Readonly<Record<string, readonly [entityClass: number, type: number]>> = {
  "/M0": [2, 1],
  "/M1": [2, 2],
  "/U": [3, 1],
  "/C": [4, 1],
  "/I": [5, 1],
  "/SH": [6, 1],
}

type Tree = Record<string, unknown>

/** A LUCIDAC's carrier with one cluster. */
export class FakeJsonCircuit {
  readonly #mac: string
  #config: Tree = {}

  constructor(mac: string) {
    this.#mac = mac
  }

  /** As `get_entities` tells them. */
  get entities(): Tree {
    const blocks = Object.fromEntries(
      Object.entries(BLOCKS).map(([path, [entityClass, type]]) => [path, entity(entityClass, type)]),
    )
    return { [this.#mac]: { ...entity(1, 1), "/0": { ...entity(8, 1), ...blocks }, "/FP": entity(7, 1) } }
  }

  /** As `get_circuit` tells it. */
  get config(): Tree {
    return this.#config
  }

  clear(): void {
    this.#config = {}
  }

  /** Takes a `set_circuit`; returns why it cannot. */
  configure({
    entity: path,
    config,
    reset_before: resetBefore,
  }: Readonly<Record<string, unknown>>): string | undefined {
    if (!Array.isArray(path) || !path.every((segment) => typeof segment === "string"))
      return "entity: expected a list of names"
    const segments = path as string[]
    if (segments.length === 0 || carrierOf(segments[0]!) !== carrierOf(this.#mac))
      return `Entity not found: ${segments.join("/")}`
    if (typeof config !== "object" || config === null) return "config: expected an object"
    if (resetBefore === true) this.clear()
    let nested = config as Tree
    for (const segment of segments.slice(1).reverse()) nested = { [`/${segment.replace(/^\//, "")}`]: nested }
    this.#config = merged(this.#config, nested, 0)
    return undefined
  }
}

function entity(entityClass: number, type: number): Tree {
  return { class: entityClass, type, variant: 1, version: 1 }
}

/** Deep, as far as entities are nested; what a block is told replaces what it was told. */
function merged(old: Tree, update: Tree, depth: number): Tree {
  const result: Tree = { ...old }
  for (const [key, value] of Object.entries(update)) {
    const both = depth < 2 && key.startsWith("/") && isJsonObject(result[key]) && isJsonObject(value)
    result[key] = both ? merged(result[key] as Tree, value as Tree, depth + 1) : value
  }
  return result
}
