import { expect, test } from "bun:test"
import { parseCommand, patient, relayCommand } from "../../scripts/lib/relay-command.ts"

test("parseCommand() splits at white space", () => {
  expect(parseCommand(" qemu-aarch64  -L /usr/x ./relay ")).toEqual(["qemu-aarch64", "-L", "/usr/x", "./relay"])
})

test("parseCommand() takes a JSON array, so that a path may hold a space", () => {
  expect(parseCommand('["./my relay", "-q"]')).toEqual(["./my relay", "-q"])
})

test.each(["", "  ", "[]", "[1]", "[", '[["a"]]'])("parseCommand() refuses %j", (text) => {
  expect(() => parseCommand(text)).toThrow(SyntaxError)
})

test("relayCommand() runs the sources with this Bun unless the environment names a command", () => {
  expect(relayCommand({})[0]).toBe(process.execPath)
  expect(relayCommand({ SPINNAKER_RELAY_BINARY: "wine64 relay.exe" })).toEqual(["wine64", "relay.exe"])
})

test("patient() never shortens a limit", () => {
  expect([patient(100, {}), patient(100, { SPINNAKER_RELAY_PATIENCE: "5" })]).toEqual([100, 500])
  expect(patient(100, { SPINNAKER_RELAY_PATIENCE: "0.1" })).toBe(100)
  expect(patient(100, { SPINNAKER_RELAY_PATIENCE: "soon" })).toBe(100)
})
