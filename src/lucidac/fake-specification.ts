/** What a fake device says that it is made of: a LUCIDAC's carrier, or a device with several. */
import { create } from "@bufbuild/protobuf"
import { carrierPath } from "./entity-path.ts"
import { type Entity, Entity_Class, EntitySchema, type Item, ItemSchema } from "./proto/lucidac_pb.ts"

const CLUSTER_BLOCKS: readonly (readonly [string, Entity_Class])[] = [
  ["/M0", Entity_Class.M_BLOCK],
  ["/M1", Entity_Class.M_BLOCK],
  ["/U", Entity_Class.U_BLOCK],
  ["/C", Entity_Class.C_BLOCK],
  ["/I", Entity_Class.I_BLOCK],
  ["/SH", Entity_Class.SH_BLOCK],
]
/** M0 has integrators, M1 multipliers: types of an M block. */
const M_BLOCK_TYPES: Readonly<Record<string, number>> = { "/M0": 1, "/M1": 2 }

function block(id: string, entityClass: Entity_Class, children: Entity[] = []): Entity {
  return create(EntitySchema, {
    id,
    class: entityClass,
    type: M_BLOCK_TYPES[id] ?? 1,
    variant: 1,
    version: { major: 1 },
    children,
  })
}

/** A carrier with `clusters` clusters (a LUCIDAC has one, an mREDAC three), its control block and front panel. */
export function carrierEntity(mac: string, clusters = 1): Entity {
  const children = Array.from({ length: clusters }, (_, index) =>
    block(
      `/${index}`,
      Entity_Class.CLUSTER,
      CLUSTER_BLOCKS.map(([id, entityClass]) => block(id, entityClass)),
    ),
  )
  const carrier = block(carrierPath(mac), Entity_Class.CARRIER, [
    ...children,
    block("/CTRL", Entity_Class.CTRL_BLOCK),
    block("/FP", Entity_Class.FRONT_PANEL),
  ])
  carrier.eui = mac
  return carrier
}

/** The root of a device: its carrier, or with `nested` a DEVICE with all of them in it, named by the first MAC. */
export function deviceEntity(macs: readonly string[], nested: boolean): Entity {
  const carriers = macs.map((mac) => carrierEntity(mac))
  if (!nested && carriers.length === 1) return carriers[0]!
  return block(carrierPath(macs[0]!), Entity_Class.DEVICE, carriers)
}

/** The item that tells of an entity; it has no path of its own. */
export function specificationItem(entity: Entity): Item {
  return create(ItemSchema, { kind: { case: "entitySpecification", value: { entity } } })
}

/** The entity at a path, found from `root` or from any carrier in it; undefined where there is none. */
export function findEntity(root: Entity, path: string): Entity | undefined {
  const segments = path.split("/").filter((segment) => segment !== "")
  const starts = root.class === Entity_Class.DEVICE ? [...root.children, root] : [root]
  for (const start of starts) {
    let entity: Entity | undefined = start
    if (!sameSegment(entity.id, segments[0])) continue
    for (const segment of segments.slice(1)) entity = entity?.children.find(({ id }) => sameSegment(id, segment))
    if (entity) return entity
  }
  return undefined
}

function sameSegment(id: string, segment: string | undefined): boolean {
  return id.replace(/^\//, "").toUpperCase() === segment?.toUpperCase()
}
