/** What a fake device is made of and how it is configured: what it is told, it tells again. */
import { carrierOf } from "./entity-path.ts"
import { deviceEntity, findEntity, specificationItem } from "./fake-specification.ts"
import type { ConfigCommand, Entity, ExtractCommand, Item } from "./proto/lucidac_pb.ts"

/** Items of configuration that are kept, which is more than a device has entities. */
const MAX_ITEMS = 1024

/** Entities, and the last configuration of each. */
export class FakeCircuit {
  readonly #root: Entity
  readonly #items = new Map<string, Item>()

  constructor(macs: readonly string[], nested: boolean) {
    this.#root = deviceEntity(macs, nested)
  }

  /** Forgets the configuration. */
  clear(): void {
    this.#items.clear()
  }

  /** Takes a configuration; returns the path that it does not have, and has then taken nothing. */
  configure(command: ConfigCommand): string | undefined {
    const items = command.module?.items ?? []
    for (const { entity } of items) {
      const path = entity?.path ?? ""
      if (carrierOf(path) !== "" && !findEntity(this.#root, path)) return path
    }
    if (command.resetBefore) this.clear()
    for (const item of items) {
      const key = keyOf(item.entity?.path ?? "")
      if (this.#items.has(key) || this.#items.size < MAX_ITEMS) this.#items.set(key, item)
    }
    return undefined
  }

  /** The items that an extract asks for; undefined where there is no such entity. */
  extract(command: ExtractCommand): Item[] | undefined {
    const path = command.entity?.path ?? ""
    const entity = carrierOf(path) === "" ? this.#root : findEntity(this.#root, path)
    if (!entity) return undefined
    const items: Item[] = []
    if (command.specification) {
      items.push(specificationItem(command.recursive ? entity : { ...entity, children: [] }))
    }
    if (command.configuration) {
      const key = keyOf(path)
      for (const [own, item] of this.#items) {
        const below = own.startsWith(key === "" ? "" : `${key}/`)
        if (own === key || (below && (command.recursive || key === ""))) items.push(item)
      }
    }
    return items
  }
}

function keyOf(path: string): string {
  return path.replace(/^\//, "").toUpperCase()
}
