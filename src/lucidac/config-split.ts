/** A configuration cut into one for each backend that it concerns. */
import { create } from "@bufbuild/protobuf"
import { carrierOf } from "./entity-path.ts"
import { type ConfigCommand, ConfigCommandSchema, type Item, ModuleSchema } from "./proto/lucidac_pb.ts"
import type { RouteTable } from "./route-table.ts"

/** What goes to which backend, or the paths that belong to none: then nothing goes anywhere. */
export type ConfigSplit =
  | { readonly ok: true; readonly parts: ReadonlyMap<number, ConfigCommand> }
  | { readonly ok: false; readonly unroutable: readonly string[] }

/**
 * Items go to the backend of their carrier, those without a path to all `backends`, in order; flags and unknown fields
 * of the command go to every backend that gets an item. A backend without items is left alone, so it is not reset.
 */
export function splitConfig(command: ConfigCommand, table: RouteTable, backends: readonly number[]): ConfigSplit {
  const items = new Map<number, Item[]>()
  const unroutable = new Set<string>()
  const put = (backend: number, item: Item) => {
    const own = items.get(backend)
    if (own) own.push(item)
    else items.set(backend, [item])
  }
  for (const item of command.module?.items ?? []) {
    const path = item.entity?.path ?? ""
    if (carrierOf(path) === "") {
      for (const backend of backends) put(backend, item)
      continue
    }
    const backend = table.backendOf(path)
    if (backend === undefined || !backends.includes(backend)) unroutable.add(path)
    else put(backend, item)
  }
  if (unroutable.size > 0) return { ok: false, unroutable: [...unroutable] }
  const parts = new Map<number, ConfigCommand>()
  for (const backend of [...items.keys()].sort((a, b) => a - b)) {
    const part = create(ConfigCommandSchema, {
      resetBefore: command.resetBefore,
      shKludge: command.shKludge,
      module: create(ModuleSchema, { items: items.get(backend)! }),
    })
    if (command.$unknown) part.$unknown = command.$unknown
    if (command.module?.$unknown) part.module!.$unknown = command.module.$unknown
    parts.set(backend, part)
  }
  return { ok: true, parts }
}

/** The error that a client reads for paths that no backend has. */
export function unroutableText(paths: readonly string[]): string {
  return `No carrier here has ${paths.map((path) => JSON.stringify(path)).join(", ")}; nothing was configured`
}
