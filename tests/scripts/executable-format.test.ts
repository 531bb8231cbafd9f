import { expect, test } from "bun:test"
import { executableFormat, readExecutableFormat } from "../../scripts/lib/executable-format.ts"
import { fileName, findTarget, TARGETS } from "../../scripts/lib/targets.ts"

/** An ELF header with one program header, PT_INTERP, that names `loader`. */
function elf(machine: number, loader: string): Uint8Array {
  const bytes = new Uint8Array(256)
  const view = new DataView(bytes.buffer)
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1])
  view.setUint16(18, machine, true)
  view.setBigUint64(32, 64n, true)
  view.setUint16(54, 56, true)
  view.setUint16(56, 1, true)
  view.setUint32(64, 3, true)
  view.setBigUint64(64 + 8, 128n, true)
  view.setBigUint64(64 + 32, BigInt(loader.length), true)
  bytes.set(new TextEncoder().encode(loader), 128)
  return bytes
}

function machO(cpuType: number): Uint8Array {
  const bytes = new Uint8Array(64)
  bytes.set([0xcf, 0xfa, 0xed, 0xfe])
  new DataView(bytes.buffer).setUint32(4, cpuType, true)
  return bytes
}

function pe(machine: number): Uint8Array {
  const bytes = new Uint8Array(256)
  const view = new DataView(bytes.buffer)
  bytes.set([0x4d, 0x5a])
  view.setUint32(0x3c, 128, true)
  bytes.set([0x50, 0x45, 0, 0], 128)
  view.setUint16(132, machine, true)
  return bytes
}

test("executableFormat() tells every target's programs apart", () => {
  const heads: Record<(typeof TARGETS)[number]["name"], Uint8Array> = {
    "linux-x64": elf(0x3e, "/lib64/ld-linux-x86-64.so.2"),
    "linux-arm64": elf(0xb7, "/lib/ld-linux-aarch64.so.1"),
    "linux-x64-musl": elf(0x3e, "/lib/ld-musl-x86_64.so.1"),
    "linux-arm64-musl": elf(0xb7, "/lib/ld-musl-aarch64.so.1"),
    "darwin-x64": machO(0x0100_0007),
    "darwin-arm64": machO(0x0100_000c),
    "windows-x64": pe(0x8664),
    "windows-arm64": pe(0xaa64),
  }
  for (const target of TARGETS) {
    const format = executableFormat(heads[target.name])
    expect(format && findTarget(format)?.name).toBe(target.name)
  }
})

test("executableFormat() knows nothing of other machines, other files and cut ones", () => {
  const arm32 = elf(0x28, "/lib/ld-linux-armhf.so.3")
  const farHeader = pe(0x8664)
  new DataView(farHeader.buffer).setUint32(0x3c, 0xffff_fff0, true)
  const cut = elf(0x3e, "/lib64/ld-linux-x86-64.so.2").subarray(0, 100)
  for (const head of [
    arm32,
    farHeader,
    cut,
    machO(7),
    new Uint8Array(0),
    new TextEncoder().encode("#!/bin/sh\n".repeat(9)),
  ]) {
    expect(executableFormat(head)).toBeUndefined()
  }
})

test("readExecutableFormat() knows the Bun that runs this test", async () => {
  const format = await readExecutableFormat(process.execPath)
  expect(format?.os).toBe(process.platform === "win32" ? "windows" : (process.platform as "linux"))
  expect(format?.arch).toBe(process.arch as "x64")
  expect(await readExecutableFormat(`${import.meta.path}.missing`)).toBeUndefined()
})

test("fileName() says what the file is for", () => {
  expect(TARGETS.map(fileName)).toContain("spinnaker-relay-linux-arm64")
  expect(TARGETS.map(fileName)).toContain("spinnaker-relay-windows-x64.exe")
  expect(new Set(TARGETS.map(fileName)).size).toBe(8)
})
