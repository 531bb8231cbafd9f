/** Which backend has which carrier, from the specifications that the backends sent. */
import { carrierOf } from "./entity-path.ts"
import { type Entity, Entity_Class, type Module } from "./proto/lucidac_pb.ts"

/** Entities nested deeper than this are not looked at; devices nest four deep. */
const MAX_DEPTH = 8

/** Roots and carriers of a specification, each once, as first path segments; carriers in `carriers`, in order. */
export function carriersOf(module: Module): { roots: string[]; carriers: string[] } {
  const roots: string[] = []
  const carriers: string[] = []
  for (const entity of specifications(module)) {
    const root = carrierOf(entity.id)
    if (root === "") continue
    if (!roots.includes(root)) roots.push(root)
    const found: string[] = []
    collectCarriers(entity, found, 0)
    // Whatever its class: a specification without any carrier is addressed by its root.
    for (const carrier of found.length > 0 ? found : [root]) if (!carriers.includes(carrier)) carriers.push(carrier)
  }
  return { roots, carriers }
}

/** The root entities of a module's specification items. */
export function specifications(module: Module): Entity[] {
  return module.items.flatMap(({ kind }) =>
    kind.case === "entitySpecification" && kind.value.entity ? [kind.value.entity] : [],
  )
}

function collectCarriers(entity: Entity, found: string[], depth: number): void {
  if (entity.class === Entity_Class.CARRIER && carrierOf(entity.id) !== "") found.push(carrierOf(entity.id))
  if (depth < MAX_DEPTH) for (const child of entity.children) collectCarriers(child, found, depth + 1)
}

/** Finds the backend for a path. Backends are numbers, in the order of the backend list. */
export class RouteTable {
  readonly #backends = new Map<string, number>()
  readonly #carriers: readonly (readonly string[])[]
  /** Carriers that more than one backend has told of, with the backend that keeps them: the first. */
  readonly duplicates: readonly { readonly carrier: string; readonly kept: number; readonly ignored: number }[]

  /** One specification for each backend; undefined for one that has not sent any yet. */
  constructor(specifications: readonly (Module | undefined)[]) {
    const duplicates: { carrier: string; kept: number; ignored: number }[] = []
    this.#carriers = specifications.map((module, backend) => {
      const { roots, carriers } = module ? carriersOf(module) : { roots: [], carriers: [] }
      for (const name of new Set([...carriers, ...roots])) {
        const kept = this.#backends.get(name)
        if (kept === undefined) this.#backends.set(name, backend)
        else duplicates.push({ carrier: name, kept, ignored: backend })
      }
      return carriers
    })
    this.duplicates = duplicates
  }

  /** The backend that has a path's first segment. */
  backendOf(path: string): number | undefined {
    return this.#backends.get(carrierOf(path))
  }

  /** MACs of a backend's carriers, in its own order. */
  carriersOf(backend: number): readonly string[] {
    return this.#carriers[backend] ?? []
  }
}
