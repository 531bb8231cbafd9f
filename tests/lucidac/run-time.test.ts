import { expect, test } from "bun:test"
import { create, type MessageInitShape } from "@bufbuild/protobuf"
import { StartRunCommandSchema, Time_Prefix, TimeSchema } from "../../src/lucidac/proto/lucidac_pb.ts"
import { plannedMs, toMs } from "../../src/lucidac/run-time.ts"

test.each([
  [Time_Prefix.NONE, 3_000],
  [Time_Prefix.MILLI, 3],
  [Time_Prefix.MICRO, 0.003],
  [Time_Prefix.NANO, 0.000003],
])("a time of 3 with prefix %i is %d ms", (prefix, expected) => {
  expect(toMs(create(TimeSchema, { value: 3n, prefix }))).toBeCloseTo(expected, 9)
  expect(toMs(undefined)).toBe(0)
})

test("a run takes its initial conditions and its operation; one without an end, or that says none, takes no time that is known", () => {
  const planned = (runConfig: MessageInitShape<typeof StartRunCommandSchema>["runConfig"]) =>
    plannedMs(create(StartRunCommandSchema, { runConfig }))
  const [icTime, opTime] = [2n, 40n].map((value) => ({ value, prefix: Time_Prefix.MILLI }))
  expect(planned({ icTime, opTime })).toBe(42)
  expect(planned({ opTime })).toBe(40)
  expect(planned({ icTime, opTime, repetitive: true })).toBeUndefined()
  expect(planned({ icTime })).toBeUndefined()
  expect(planned({ icTime, opTime: { value: 0n } })).toBeUndefined()
  expect(planned(undefined)).toBeUndefined()
})
