/** Specifications as real devices send them: one item without a path, with the carrier at its root. */
import { create } from "@bufbuild/protobuf"
import { Entity_Class, EntitySchema, type Module, ModuleSchema } from "../../src/lucidac/proto/lucidac_pb.ts"

export function carrierSpec(mac: string, children: string[] = ["/0"]) {
  return create(EntitySchema, {
    id: `/${mac}`,
    class: Entity_Class.CARRIER,
    children: children.map((id) => create(EntitySchema, { id, class: Entity_Class.CLUSTER })),
  })
}

export function specModule(...entities: ReturnType<typeof carrierSpec>[]): Module {
  return create(ModuleSchema, {
    items: entities.map((entity) => ({ kind: { case: "entitySpecification" as const, value: { entity } } })),
  })
}

/** A device root with carriers below it, as pybrid's mock sends. */
export function deviceModule(mac: string, ...carriers: ReturnType<typeof carrierSpec>[]): Module {
  return specModule(create(EntitySchema, { id: `/${mac}`, class: Entity_Class.DEVICE, children: carriers }))
}
