/** What a client is told of several devices as if they were one: specifications merged, placed, and wired. */
import { create } from "@bufbuild/protobuf"
import {
  type CarrierLocationV0,
  type Entity,
  Entity_Class,
  type Item,
  ItemSchema,
  type Module,
  ModuleSchema,
  WiringPinSchema,
} from "./proto/lucidac_pb.ts"

/** Where a carrier stands; no stack is stack 0 on the wire. */
export interface CarrierLocation {
  readonly stack: number | undefined
  readonly carrier: number
}

/** One end of a wire: the carrier's MAC and its pin, 0..7 or a name. */
export interface WireEnd {
  readonly carrier: string
  readonly pin: number | string
}

/** One directed connection between two carriers: from ACL_OUT of the source to ACL_IN of the target. */
export interface ExtractWire {
  readonly source: WireEnd
  readonly target: WireEnd
}

/** One backend's module and where the backend list places it. */
export interface PlacedModule {
  readonly module: Module
  readonly location: CarrierLocation | undefined
}

/** The answer to an extract with an empty path: all modules in one, sorted by location, then the wires in file order. */
export function mergeExtract(modules: readonly PlacedModule[], wires: readonly ExtractWire[]): Module {
  const items = modules.flatMap(({ module, location }) => relabel(module, location).items)
  const merged = create(ModuleSchema, { items: [...sortByLocation(items), ...wires.map(wireItem)] })
  const unknown = modules.flatMap(({ module }) => module.$unknown ?? [])
  if (unknown.length > 0) merged.$unknown = unknown
  return merged
}

/** One backend's module with its location written into its specifications; one already there is overwritten. */
export function relabel(module: Module, location: CarrierLocation | undefined): Module {
  if (!location) return module
  const items = module.items.map((item): Item => {
    if (item.kind.case !== "entitySpecification" || !item.kind.value.entity) return item
    const entity = placed(item.kind.value.entity, location)
    return { ...item, kind: { case: "entitySpecification", value: { ...item.kind.value, entity } } }
  })
  return { ...module, items }
}

/** A module with its specifications sorted by stack, then carrier, those without location last; other items keep their slots. */
export function sorted(module: Module): Module {
  return { ...module, items: sortByLocation(module.items) }
}

function placed(entity: Entity, { stack, carrier }: CarrierLocation): Entity {
  const value = { $typeName: "spinnaker_relay.lucidac.CarrierLocationV0" as const, stack: stack ?? 0, carrier }
  const location = { case: "locationV0" as const, value: value satisfies CarrierLocationV0 }
  const only = entity.children.filter((child) => child.class === Entity_Class.CARRIER)
  // A device with one carrier in it is that carrier; with more, a location of the whole would say the same of all.
  const children =
    entity.class === Entity_Class.DEVICE && only.length === 1
      ? entity.children.map((child) => (child === only[0] ? { ...child, location } : child))
      : entity.children
  return { ...entity, location, children }
}

function sortByLocation(items: readonly Item[]): Item[] {
  const result = [...items]
  const slots = items.flatMap((item, slot) => (item.kind.case === "entitySpecification" ? [slot] : []))
  const ordered = slots.map((slot) => items[slot]!).sort((a, b) => compare(locationOf(a), locationOf(b)))
  for (const [index, slot] of slots.entries()) result[slot] = ordered[index]!
  return result
}

function locationOf({ kind }: Item): CarrierLocationV0 | undefined {
  return kind.case === "entitySpecification" ? kind.value.entity?.location.value : undefined
}

function compare(a: CarrierLocationV0 | undefined, b: CarrierLocationV0 | undefined): number {
  if (!a || !b) return (a ? 0 : 1) - (b ? 0 : 1)
  return a.stack - b.stack || a.carrier - b.carrier
}

function wireItem({ source, target }: ExtractWire): Item {
  return create(ItemSchema, {
    kind: { case: "wiringSpecification", value: { source: wirePin(source), target: wirePin(target) } },
  })
}

function wirePin({ carrier, pin }: WireEnd) {
  return create(WiringPinSchema, {
    entity: { path: `/${carrier}` },
    kind: typeof pin === "number" ? { case: "indexedPin", value: pin } : { case: "namedPin", value: pin },
  })
}
