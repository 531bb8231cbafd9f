/** Whatever a file or a client holds, reading it ends in a value or a complaint, never in another error. */
import { expect, test } from "bun:test"
import { readJobRequest } from "../../src/spalloc/job-request.ts"
import { readSpallocConfig } from "../../src/spalloc/read-config.ts"
import { CommandError } from "../../src/spalloc/types.ts"
import { type Random, seededRandom } from "../../src/transport/random.ts"

const ROUNDS = process.env.FULL === "1" ? 100_000 : 3000

const FILES = [
  '{"machines":[{"name":"m","width":1,"height":1,"dead-boards":[{"x":0,"y":0,"z":1}],"dead-links":{"[x:0,y:0,z:0]":["north"]},"board-locations":{"[x:0,y:0,z:0]":{"c":0,"f":0,"b":0}},"bmp-ips":{"[c:0,f:0]":"a"},"spinnaker-ips":{"[x:0,y:0,z:0]":"b"},"standard-ips":{"base":"10.0.0.0"}}],"port":1}',
  '[server]\nport = 1\nallow = ["10.0.0.0/8"]\n[[machine]]\nname = "m"\ndead-boards = [[0, 0, 1], [0, 0, 2]]\ndead-links = [[0, 0, 0, "north"]]\nboards = [{ at = [0, 0, 0], place = [0, 0, 0] }]\n[machine.standard-ips]\nbase = "10.0.0.0"\n',
]
const SPLINTERS = [
  "",
  "0",
  "-1",
  "99999999999",
  "1.5",
  "[]",
  "{}",
  '"',
  "null",
  "true",
  "\u0000",
  "[[[[",
  "x:",
  "]",
  ",",
]

/** The text with a few pieces cut out, doubled or replaced. */
function damaged(text: string, random: Random): string {
  let result = text
  for (let wound = 0; wound < 1 + random() * 3; wound++) {
    const from = Math.floor(random() * result.length)
    const to = from + Math.floor(random() * 8)
    const splinter =
      random() < 0.2 ? result.slice(from, to).repeat(2) : SPLINTERS[Math.floor(random() * SPLINTERS.length)]
    result = result.slice(0, from) + splinter + result.slice(to)
  }
  return result
}

test("damaged configuration files", () => {
  const random = seededRandom(5)
  for (const file of FILES) expect(readSpallocConfig(file, "f")).not.toMatchObject({ complaints: "" })
  let refused = 0
  for (let round = 0; round < ROUNDS; round++) {
    const read = readSpallocConfig(damaged(FILES[round % FILES.length]!, random), "f")
    if (read.ok) continue
    refused++
    expect(read.complaints).toStartWith("f:")
  }
  expect(refused).toBeGreaterThan(ROUNDS / 3)
})

test("requests of any types", () => {
  const random = seededRandom(6)
  const values = [null, true, 0, 1, -1, 1.5, 1e300, "", "a", [], ["a"], [1], {}, { a: 1 }, "x".repeat(5000)]
  const some = () => values[Math.floor(random() * values.length)]
  const names = ["owner", "keepalive", "machine", "tags", "min_ratio", "max_dead_boards", "require_torus", "__proto__"]
  for (let round = 0; round < ROUNDS; round++) {
    const args = Array.from({ length: Math.floor(random() * 5) }, some)
    const kwargs = Object.fromEntries(names.filter(() => random() < 0.3).map((name) => [name, some()]))
    try {
      expect(readJobRequest(args, kwargs).owner).toBeString()
    } catch (error) {
      expect(error).toBeInstanceOf(CommandError)
    }
  }
})
