/**
 * The compiled program, started in a folder whose bunfig.toml and .env were left there by somebody else: neither may
 * have any effect. Builds the program for this machine, or takes the one that SPINNAKER_RELAY_BINARY names.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import packageJson from "../../package.json"
import { type Child, startChild } from "../../scripts/lib/child.ts"
import { COMPILE_FLAGS, compile, nativeTarget } from "../../scripts/lib/compile.ts"
import { BINARY_VARIABLE, patient, ROOT, relayCommand } from "../../scripts/lib/relay-command.ts"
import { fileName } from "../../scripts/lib/targets.ts"
import { Application } from "../support/application.ts"
import { freePorts } from "../support/relay-process.ts"
import { verRequest } from "../support/scp-requests.ts"

// Writing a hundred megabytes three times, on a busy machine or under an emulator.
setDefaultTimeout(patient(60_000))

/** Says whether .env had an effect; whether bunfig.toml had shows in the folder. */
const PROBE = 'console.log("env:", process.env.HOSTILE ?? "untouched")\n'

let folder: string
let hostile: string
let command: string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "relay-binary-"))
  hostile = join(folder, "hostile")
  await mkdir(hostile)
  await Bun.write(join(hostile, ".env"), "HOSTILE=touched\n")
  await Bun.write(join(hostile, "bunfig.toml"), 'preload = ["./preload.ts"]\n')
  await Bun.write(join(hostile, "preload.ts"), 'await Bun.write("preloaded", "yes")\n')
  await Bun.write(join(folder, "probe.ts"), PROBE)
  if (process.env[BINARY_VARIABLE]) {
    // The program runs elsewhere: paths that are files count from here.
    const words = relayCommand()
    const isFile = await Promise.all(words.map((word) => Bun.file(word).exists()))
    command = words.map((word, i) => (isFile[i] ? resolve(word) : word))
  } else {
    const target = await nativeTarget()
    const outfile = join(folder, fileName(target))
    await compile({ entry: join(ROOT, "src", "main.ts"), target, outfile })
    command = [outfile]
  }
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Runs a program in the hostile folder to its end. */
async function runThere(words: readonly string[]): Promise<{ child: Child; code: number; preloaded: boolean }> {
  const trace = Bun.file(join(hostile, "preloaded"))
  const child = startChild(words, { cwd: hostile })
  const code = await child.exited
  const preloaded = await trace.exists()
  if (preloaded) await trace.delete()
  return { child, code, preloaded }
}

async function compileProbe(name: string, flags: readonly string[]): Promise<string> {
  const target = await nativeTarget()
  const outfile = join(folder, `${name}${target.extension}`)
  await compile({ entry: join(folder, "probe.ts"), target, outfile, flags })
  return outfile
}

test("the program says its version in a hostile folder and runs nothing from there", async () => {
  const { child, code, preloaded } = await runThere([...command, "--version"])
  expect({ code, preloaded }).toEqual({ code: 0, preloaded: false })
  expect(child.stdout.join("\n")).toContain(packageJson.version)
})

test("the flags that we build with keep bunfig.toml and .env out", async () => {
  const { child, preloaded } = await runThere([await compileProbe("probe", COMPILE_FLAGS)])
  expect({ preloaded, stdout: child.stdout }).toEqual({ preloaded: false, stdout: ["env: untouched"] })
})

test("without those flags both would take effect: the tests above can fail", async () => {
  const open = COMPILE_FLAGS.filter((flag) => !flag.startsWith("--no-compile-autoload"))
  const { child, preloaded } = await runThere([await compileProbe("open", open)])
  expect({ preloaded, stdout: child.stdout }).toEqual({ preloaded: true, stdout: ["env: touched"] })
})

test("the program holds no path of the machine that built it", async () => {
  const bytes = Buffer.from(await Bun.file(command.at(-1)!).arrayBuffer())
  expect(bytes.includes(ROOT)).toBe(false)
})

test("a board that is off ends neither the program nor the flow, whatever the system says of lost datagrams", async () => {
  const [tunnel, bootTunnel, scp, boot] = (await freePorts(4)) as [number, number, number, number]
  const boardPorts = ["--scp-port", `${scp}`, "--boot-port", `${boot}`]
  // Elsewhere than on Linux whoever hears beacons keeps a board of the same machine from its boot port.
  const flags = ["--bind", "127.0.0.1", "--no-boot-listener"]
  const tunnelPorts = ["--scp-tunnel-port", `${tunnel}`, "--boot-tunnel-port", `${bootTunnel}`]
  await using server = startChild([...command, "-s", "127.0.0.1", ...flags, ...boardPorts, ...tunnelPorts])
  await server.waitForLine(/listening for boot on UDP/)
  using program = await Application.open(tunnel)
  // Each one may bring an error back that the next send bears: enough of them to meet every order of the two.
  for (let sequence = 1; sequence <= 50; sequence++) {
    program.send(verRequest(sequence))
    expect(await program.next(5)).toBeUndefined()
  }
  await using board = startChild([...command, "board", "--booted", ...boardPorts])
  await board.waitForLine(/^\{/, undefined, "stdout")
  const deadline = performance.now() + patient(5_000)
  let answer: Uint8Array | undefined
  for (let sequence = 51; !answer && performance.now() < deadline; sequence++) {
    program.send(verRequest(sequence))
    answer = await program.next(200)
  }
  expect(answer).toBeDefined()
  expect(server.stderr.join("\n")).not.toMatch(/fault in/)
})
