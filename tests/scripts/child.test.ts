import { expect, test } from "bun:test"
import { startChild } from "../../scripts/lib/child.ts"
import { freePorts } from "../../scripts/lib/free-port.ts"

const bun = (code: string): string[] => [process.execPath, "-e", code]

test("waitForLine() finds a line said before it was asked for, and one to come", async () => {
  await using child = startChild(
    bun("console.error('first 1'); process.stdin; setTimeout(() => console.error('second 2'), 1)"),
  )
  expect((await child.waitForLine(/second (\d)/))[1]).toBe("2")
  expect((await child.waitForLine(/first (\d)/))[1]).toBe("1")
})

test("waitForLine() rejects with the transcript when the child ends without the line", async () => {
  await using child = startChild(bun("console.log('out'); console.error('err'); process.exit(3)"))
  const failure = await child.waitForLine(/never/).catch((error: Error) => error.message)
  expect(failure).toContain("ended with 3")
  expect(failure).toContain("stdout: out")
  expect(failure).toContain("stderr: err")
})

test("waitForLine() rejects when the time is up", async () => {
  await using child = startChild(bun("setInterval(() => {}, 1000)"))
  await expect(child.waitForLine(/never/, 5)).rejects.toThrow("5 ms passed")
})

test("stop() asks first, so that a child may end well", async () => {
  await using child = startChild(
    bun("process.on('SIGTERM', () => process.exit(0)); console.error('up'); setInterval(() => {}, 1000)"),
  )
  await child.waitForLine(/up/)
  expect(await child.stop()).toBe(0)
  expect(await child.stop()).toBe(0)
})

test("kill() ends a child that ignores requests", async () => {
  await using child = startChild(
    bun("process.on('SIGTERM', () => {}); console.error('up'); setInterval(() => {}, 1000)"),
  )
  await child.waitForLine(/up/)
  expect(await child.kill()).toBe(137)
})

test("a line that no newline ends is a line", async () => {
  await using child = startChild(bun("process.stdout.write('a\\r\\nb')"))
  await child.exited
  expect(child.stdout).toEqual(["a", "b"])
})

test("freePorts() finds different ports", async () => {
  const ports = await freePorts(8)
  expect(new Set(ports).size).toBe(8)
})
