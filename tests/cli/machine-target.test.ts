import { describe, expect, test } from "bun:test"
import { UsageError } from "../../src/cli/command.ts"
import { MACHINE_OPTIONS, machineTarget, splitPort } from "../../src/cli/machine-target.ts"
import { parseBoards, parseChip, parseSize } from "../../src/cli/numbers.ts"
import { parseArgv } from "../../src/cli/parse-argv.ts"

const target = (...argv: string[]) => machineTarget(parseArgv(argv, MACHINE_OPTIONS, "<host>"))

describe("machineTarget", () => {
  test.each([
    ["board.example", { host: "board.example", scpPort: 17893, label: "board.example:17893" }],
    ["192.0.2.1", { host: "192.0.2.1", scpPort: 17893 }],
    ["192.0.2.1:4000", { host: "192.0.2.1", scpPort: 4000, label: "192.0.2.1:4000" }],
    ["[2001:db8::1]", { host: "2001:db8::1", scpPort: 17893, label: "[2001:db8::1]:17893" }],
    ["[2001:db8::1]:4000", { host: "2001:db8::1", scpPort: 4000 }],
    ["2001:db8::1", { host: "2001:db8::1", scpPort: 17893 }],
  ])("%s", (text, expected) => {
    expect(target(text)).toMatchObject({ ...expected, bootPort: 54321 })
  })

  test("ports have options too; the same port twice is no quarrel, two ports are", () => {
    expect(target("b", "--scp-port", "4", "--boot-port", "5")).toMatchObject({ scpPort: 4, bootPort: 5 })
    expect(target("b:4", "--scp-port=4").scpPort).toBe(4)
    expect(() => target("b:4", "--scp-port=5")).toThrow("name two ports")
  })

  test.each(["b:0", "b:65536", "b:x", "b:", ":4", "[::1", "[x]:4", "b c", ""])("%p is refused", (text) => {
    expect(() => splitPort(text)).toThrow(UsageError)
  })
})

describe("numbers", () => {
  test.each([
    ["0x60000000", 0x60000000],
    ["256", 256],
    ["64K", 65536],
    ["2m", 2 << 20],
    ["1G", 2 ** 30],
    ["0x10k", 16384],
  ])("%s is %p", (text, value) => {
    expect(parseSize("length", text, { min: 0, max: 2 ** 32 })).toBe(value)
  })

  test.each(["", "-1", "1.5", "0x", "12g", "4294967297", "1 "])("%p is no size", (text) => {
    expect(() => parseSize("length", text, { min: 0, max: 2 ** 32 })).toThrow(UsageError)
  })

  test("chips and boards", () => {
    expect(parseChip("3,255")).toEqual({ x: 3, y: 255 })
    for (const text of ["3", "3,256", "3,4,5", "a,b", ""]) expect(() => parseChip(text)).toThrow(UsageError)
    expect(parseBoards("0,1,23,1")).toEqual([0, 1, 23])
    for (const text of ["24", "", "0,", "-1", "0 1"]) expect(() => parseBoards(text)).toThrow(UsageError)
  })
})
