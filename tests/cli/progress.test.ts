import { describe, expect, test } from "bun:test"
import { hexDump } from "../../src/cli/hex-dump.ts"
import { ProgressBar } from "../../src/cli/progress.ts"

function show(isTerminal: boolean): { text: () => string; bar: ProgressBar } {
  let text = ""
  const stderr = (part: string) => {
    text += part
  }
  const io = { stdout() {}, stderr, isTerminal, env: {}, stop: new AbortController().signal }
  return { text: () => text, bar: new ProgressBar(io) }
}

describe("ProgressBar", () => {
  test("on a terminal one line rewrites itself", () => {
    const { text, bar } = show(true)
    bar.update("reading", 0, 4, "bytes")
    bar.update("reading", 2, 4, "bytes")
    bar.update("reading", 2, 4, "bytes")
    bar.say("done")
    const half = `\rreading [${"#".repeat(15)}${"-".repeat(15)}] 2 of 4 bytes`
    expect(text()).toBe(`\rreading [${"-".repeat(30)}] 0 of 4 bytes${half}\ndone\n`)
  })

  test("elsewhere there is a line each quarter, and a new action begins anew", () => {
    const { text, bar } = show(false)
    for (let done = 0; done <= 100; done++) bar.update("reading", done, 100, "bytes")
    bar.update("verifying", 25, 100, "bytes")
    bar.end()
    expect(text()).toBe(
      ["reading: 25 of", "reading: 50 of", "reading: 75 of", "reading: 100 of", "verifying: 25 of"]
        .map((line) => `${line} 100 bytes\n`)
        .join(""),
    )
  })
})

test("hexDump shows address, bytes and what can be printed", () => {
  const bytes = Uint8Array.from([...Buffer.from("SC&MP"), 0, 1, 255, ...Array(9).fill(0x20)])
  expect(hexDump(bytes, 0x60000000).split("\n")).toEqual([
    "60000000  53 43 26 4d 50 00 01 ff 20 20 20 20 20 20 20 20  SC&MP...        ",
    `60000010  ${"20".padEnd(47)}   `,
    "",
  ])
})
