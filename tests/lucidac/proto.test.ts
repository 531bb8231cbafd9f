/** The committed code is that of the committed .proto, and both agree with what is known of messages by number. */
import { expect, test } from "bun:test"
import type { DescMessage } from "@bufbuild/protobuf"
import { ARM } from "../../src/lucidac/arm.ts"
import { file_lucidac, MessageV1Schema } from "../../src/lucidac/proto/lucidac_pb.ts"

const text = await Bun.file(`${import.meta.dir}/../../src/lucidac/proto/lucidac.proto`).text()

/** `Message.field=number` of every field in the text, and `Enum.VALUE=number`, in order. */
function declared(): string[] {
  const found: string[] = []
  const names: string[] = []
  for (const line of text.replace(/\/\/.*/g, "").split("\n")) {
    const opens = /^\s*(message|enum|oneof) (\w+) \{(\})?/.exec(line)
    if (opens) {
      if (!opens[3]) names.push(opens[1] === "oneof" ? "" : opens[2]!)
    } else if (/^\s*\}/.test(line)) names.pop()
    const field = /^\s*(?:[\w.<>, ]+ )?(\w+) = (\d+);/.exec(line)
    if (field) found.push(`${names.filter(Boolean).join(".")}.${field[1]}=${field[2]}`)
  }
  return found
}

/** The same out of the generated code. */
function generated(): string[] {
  const found: string[] = []
  const enums = (list: typeof file_lucidac.enums, path: string) => {
    for (const each of list)
      for (const value of each.values) found.push(`${path}${each.name}.${value.name}=${value.number}`)
  }
  const visit = (message: DescMessage, path: string) => {
    for (const field of message.fields) found.push(`${path}${message.name}.${field.name}=${field.number}`)
    enums(message.nestedEnums as typeof file_lucidac.enums, `${path}${message.name}.`)
    for (const nested of message.nestedMessages) visit(nested, `${path}${message.name}.`)
  }
  for (const message of file_lucidac.messages) visit(message, "")
  enums(file_lucidac.enums, "")
  return found
}

test("lucidac_pb.ts has the fields of lucidac.proto, no more and no fewer (scripts/generate-proto.ts)", () => {
  expect(declared().length).toBeGreaterThan(150)
  expect(generated().sort()).toEqual(declared().sort())
})

test("kinds of message have the numbers that the .proto gives them", () => {
  const numbers = new Set<number>(Object.values(ARM))
  for (const { number } of MessageV1Schema.fields) expect(number === 1 || numbers.has(number)).toBe(true)
  expect(numbers.size).toBe(Object.keys(ARM).length)
})
