/** Routing and merging, rule by rule: paths, extract, configuration, state changes. */
import { describe, expect, test } from "bun:test"
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { ARM } from "../../src/lucidac/arm.ts"
import { splitConfig, unroutableText } from "../../src/lucidac/config-split.ts"
import { carrierOf, carrierPath } from "../../src/lucidac/entity-path.ts"
import { encodeV1, peekEnvelope, type V1Message } from "../../src/lucidac/envelope.ts"
import { mergeExtract, relabel, sorted } from "../../src/lucidac/extract.ts"
import { encodePayload } from "../../src/lucidac/payload.ts"
import {
  ConfigCommandSchema,
  ItemSchema,
  ModuleSchema,
  RunState,
  RunStateChangeMessageSchema,
} from "../../src/lucidac/proto/lucidac_pb.ts"
import { carriersOf, RouteTable, specifications } from "../../src/lucidac/route-table.ts"
import { nameCarriers } from "../../src/lucidac/state-change.ts"
import { fromHex } from "../support/fuzz.ts"
import { carrierSpec, deviceModule, specModule } from "./entities.ts"

const A = "04-E9-E5-00-00-0A"
const B = "04-E9-E5-00-00-0B"
const C = "04-E9-E5-00-00-0C"

describe("entity paths", () => {
  test.each([
    ["/04-e9-e5-00-00-0a/0/M0", A],
    ["04-E9-E5-00-00-0A/0", A],
    ["/04-E9-E5-00-00-0A", A],
    ["", ""],
    ["/", ""],
    ["//x", ""],
  ])("%p belongs to carrier %p", (path, carrier) => expect(carrierOf(path)).toBe(carrier))

  test("a carrier's own path has the slash and capitals", () => expect(carrierPath("04-e9-e5-00-00-0a")).toBe(`/${A}`))
})

describe("RouteTable", () => {
  test("finds backends by the first segment, whatever the case and the slash", () => {
    const table = new RouteTable([specModule(carrierSpec(A)), specModule(carrierSpec(B))])
    expect(table.backendOf(`/${A}/0/M0`)).toBe(0)
    expect(table.backendOf(B.toLowerCase())).toBe(1)
    expect(table.backendOf(`/${C}`)).toBeUndefined()
    expect(table.backendOf("")).toBeUndefined()
    expect(table.carriersOf(1)).toEqual([B])
  })

  test("carriers nested under a device are routable, and so is the device", () => {
    const table = new RouteTable([deviceModule(A, carrierSpec(A), carrierSpec(B)), specModule(carrierSpec(C))])
    expect([A, B, C].map((mac) => table.backendOf(`/${mac}/0`))).toEqual([0, 0, 1])
    expect(table.carriersOf(0)).toEqual([A, B])
    const named = new RouteTable([deviceModule("lab", carrierSpec(B))])
    expect(named.backendOf("/lab/x")).toBe(0)
    expect(named.carriersOf(0)).toEqual([B])
  })

  test("the same device listed twice goes to the first, and is told of", () => {
    const table = new RouteTable([specModule(carrierSpec(A)), undefined, specModule(carrierSpec(A))])
    expect(table.backendOf(A)).toBe(0)
    expect(table.duplicates).toEqual([{ carrier: A, kept: 0, ignored: 2 }])
    expect(table.carriersOf(1)).toEqual([])
  })

  test("a specification without a carrier is addressed by its root; other items and nameless ones have no route", () => {
    const plain = { ...carrierSpec(A), class: 0 }
    expect(carriersOf(specModule(plain)).carriers).toEqual([A])
    expect(carriersOf(specModule(carrierSpec(""))).roots).toEqual([])
    expect(carriersOf(create(ModuleSchema, { items: [{ entity: { path: `/${A}` } }] })).roots).toEqual([])
  })
})

describe("the extract answer", () => {
  const locations = (module: ReturnType<typeof sorted>) =>
    specifications(module).map(({ id, location }) => [id, location.value?.stack, location.value?.carrier])

  test("locations are written into specifications, over one that is there; a bare carrier has stack 0", () => {
    const first = relabel(specModule(carrierSpec(A)), { stack: 1, carrier: 2 })
    expect(locations(first)).toEqual([[`/${A}`, 1, 2]])
    expect(locations(relabel(first, { stack: undefined, carrier: 5 }))).toEqual([[`/${A}`, 0, 5]])
    expect(relabel(first, undefined)).toBe(first)
  })

  test("the location of a device with one carrier is the carrier's too, and with two it is the device's", () => {
    const one = specifications(relabel(deviceModule("d", carrierSpec(A)), { stack: 1, carrier: 2 }))[0]!
    expect(one.children[0]!.location.value).toMatchObject({ stack: 1, carrier: 2 })
    const two = specifications(relabel(deviceModule("d", carrierSpec(A), carrierSpec(B)), { stack: 1, carrier: 2 }))[0]!
    expect(two.location.value).toMatchObject({ stack: 1, carrier: 2 })
    expect(two.children[0]!.location.case).toBeUndefined()
  })

  test("specifications are sorted by stack, then carrier, stably, those without location last", () => {
    const merged = mergeExtract(
      [
        { module: specModule(carrierSpec("none1")), location: undefined },
        { module: specModule(carrierSpec(A)), location: { stack: 1, carrier: 0 } },
        { module: specModule(carrierSpec(B)), location: { stack: 0, carrier: 7 } },
        { module: specModule(carrierSpec("none2")), location: undefined },
        { module: specModule(carrierSpec(C)), location: { stack: 0, carrier: 7 } },
      ],
      [],
    )
    expect(locations(merged).map(([id]) => id)).toEqual([`/${B}`, `/${C}`, `/${A}`, "/none1", "/none2"])
  })

  test("items of other kinds keep their slots", () => {
    const other = create(ItemSchema, { entity: { path: "other" } })
    const items = [
      ...relabel(specModule(carrierSpec(A)), { stack: 2, carrier: 0 }).items,
      other,
      ...relabel(specModule(carrierSpec(B)), { stack: 1, carrier: 0 }).items,
    ]
    const result = sorted(create(ModuleSchema, { items }))
    expect(result.items[1]).toBe(other)
    expect(locations(result).map(([id]) => id)).toEqual([`/${B}`, `/${A}`])
  })

  test("wires stand behind all items, in file order, as the devices' own tools write them", () => {
    const wires = [
      { source: { carrier: "A", pin: 4 }, target: { carrier: "B", pin: "aux0" } },
      { source: { carrier: "B", pin: 0 }, target: { carrier: "A", pin: 7 } },
    ]
    const { items } = mergeExtract([{ module: specModule(carrierSpec(A)), location: undefined }], wires)
    expect(items.map(({ kind }) => kind.case)).toEqual([
      "entitySpecification",
      "wiringSpecification",
      "wiringSpecification",
    ])
    expect(Buffer.from(toBinary(ItemSchema, items[1]!))).toEqual(
      Buffer.from(fromHex("8a 02 18 0a 08 0a 04 0a 02 2f 41 18 04 12 0c 0a 04 0a 02 2f 42 12 04 61 75 78 30")),
    )
    // Within a oneof a zero is there: 18 00.
    expect(Buffer.from(toBinary(ItemSchema, items[2]!)).toString("hex")).toContain("1800")
  })

  test("fields that the .proto does not list stay in entities and items", () => {
    const entity = carrierSpec(A)
    const bytes = Buffer.concat([toBinary(ModuleSchema, specModule(entity)), fromHex("1a 02 78 79")])
    const module = fromBinary(ModuleSchema, bytes)
    const merged = mergeExtract([{ module, location: { stack: 0, carrier: 1 } }], [])
    expect(Buffer.from(toBinary(ModuleSchema, merged)).toString("hex")).toEndWith("1a027879")
    const odd = fromBinary(ItemSchema, fromHex("e2 01 09 0a 07 0a 01 61 c2 3e 01 7a"))
    const placed = relabel(create(ModuleSchema, { items: [odd] }), { stack: 3, carrier: 4 })
    const again = Buffer.from(toBinary(ItemSchema, placed.items[0]!)).toString("hex")
    expect(again).toContain("c23e017a")
    expect(again).toContain("a2060408031004")
  })
})

describe("splitConfig()", () => {
  const table = new RouteTable([specModule(carrierSpec(A)), specModule(carrierSpec(B)), specModule(carrierSpec(C))])
  const command = (...paths: (string | undefined)[]) =>
    create(ConfigCommandSchema, {
      resetBefore: true,
      shKludge: true,
      module: { items: paths.map((path) => (path === undefined ? {} : { entity: { path } })) },
    })
  const split = (...paths: (string | undefined)[]) => {
    const result = splitConfig(command(...paths), table, [0, 1, 2])
    if (!result.ok) throw new Error(unroutableText(result.unroutable))
    return [...result.parts].map(([backend, part]) => [backend, part.module!.items.map(({ entity }) => entity?.path)])
  }

  test("each backend gets its own items in order, and one without items gets nothing", () => {
    expect(split(`/${B}/0/M0`, `${A.toLowerCase()}/0`, `/${B}/0/U`)).toEqual([
      [0, [`${A.toLowerCase()}/0`]],
      [1, [`/${B}/0/M0`, `/${B}/0/U`]],
    ])
  })

  test("items without a path go to all, in their place among the others", () => {
    expect(split(`/${A}`, undefined, "", `/${A}/0`)).toEqual([
      [0, [`/${A}`, undefined, "", `/${A}/0`]],
      [1, [undefined, ""]],
      [2, [undefined, ""]],
    ])
  })

  test("an empty module is nobody's", () => {
    expect(split()).toEqual([])
    const none = splitConfig(create(ConfigCommandSchema), table, [0, 1, 2])
    expect(none.ok && none.parts.size).toBe(0)
  })

  test("one unknown carrier stops all of it, and all unknown paths are named, each once", () => {
    const result = splitConfig(command(`/${A}`, "/X/0", "/Y", "/X/0"), table, [0, 1, 2])
    expect(result).toEqual({ ok: false, unroutable: ["/X/0", "/Y"] })
    expect(unroutableText(["/X/0", "/Y"])).toBe('No carrier here has "/X/0", "/Y"; nothing was configured')
  })

  test("a carrier of a backend that is not there now is unroutable", () => {
    expect(splitConfig(command(`/${B}`), table, [0, 2])).toEqual({ ok: false, unroutable: [`/${B}`] })
  })

  test("flags, what an item configures, and fields nobody knows go to every backend that is asked", () => {
    // Item of A with an unlisted kind 12, item of B with kind 14; unknown fields 9 in module and command.
    const item = (mac: string, kind: string) => {
      const path = toBinary(ItemSchema, create(ItemSchema, { entity: { path: `/${mac}` } }))
      return Buffer.concat([path, fromHex(kind)])
    }
    const items = [item(A, "62 02 08 01"), item(B, "72 01 ff")]
    const moduleBytes = Buffer.concat([
      ...items.flatMap((bytes) => [Uint8Array.of(0x0a, bytes.length), bytes]),
      fromHex("48 07"),
    ])
    const bytes = Buffer.concat([Uint8Array.of(0x0a, moduleBytes.length), moduleBytes, fromHex("10 01 18 01 48 08")])
    const result = splitConfig(fromBinary(ConfigCommandSchema, bytes), table, [0, 1, 2])
    if (!result.ok) throw new Error("unroutable")
    const sent = [...result.parts.values()].map((part) => Buffer.from(toBinary(ConfigCommandSchema, part)))
    expect(sent).toHaveLength(2)
    for (const [index, part] of sent.entries()) {
      const own = Buffer.concat([Uint8Array.of(0x0a, items[index]!.length), items[index]!, fromHex("48 07")])
      expect(part).toEqual(Buffer.concat([Uint8Array.of(0x0a, own.length), own, fromHex("10 01 18 01 48 08")]))
    }
  })
})

describe("nameCarriers()", () => {
  const message = (entity?: string, unknown = "") => {
    const payload = encodePayload(RunStateChangeMessageSchema, {
      run: { id: "r" },
      old: RunState.OP,
      new: RunState.DONE,
      reason: "x",
      ...(entity !== undefined && { entity: { path: entity } }),
    })
    const bytes = Buffer.concat([payload, fromHex(unknown)])
    return peekEnvelope(encodeV1(undefined, ARM.runStateChange, bytes)) as V1Message
  }
  const told = (bodies: readonly Uint8Array[]) =>
    bodies.map((body) => {
      const { payload } = peekEnvelope(body) as V1Message
      return fromBinary(RunStateChangeMessageSchema, payload)
    })

  test("writes the backend's carrier into a state change that names none, and keeps unknown fields", () => {
    const named = nameCarriers(message(undefined, "4a 01 7a"), [A])
    expect(told(named!.bodies)).toMatchObject([{ entity: { path: `/${A}` }, reason: "x", new: RunState.DONE }])
    expect(Buffer.from(named!.bodies[0]!).toString("hex")).toContain("4a017a")
  })

  test("tells of each carrier where a backend has several", () => {
    expect(told(nameCarriers(message(), [A, B])!.bodies).map(({ entity }) => entity?.path)).toEqual([`/${A}`, `/${B}`])
  })

  test("a state change that names a carrier of the backend goes on byte for byte", () => {
    const own = message(`/${B}`)
    expect(nameCarriers(own, [A, B])!.bodies).toEqual([own.body])
    expect(told(nameCarriers(message("/stranger"), [A])!.bodies)).toMatchObject([{ entity: { path: `/${A}` } }])
  })

  test("what cannot be read is undefined", () => {
    expect(
      nameCarriers(peekEnvelope(encodeV1(undefined, ARM.runStateChange, fromHex("0a 05"))) as V1Message, [A]),
    ).toBe(undefined)
  })
})
