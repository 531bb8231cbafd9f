import { expect, test } from "bun:test"
import { readSpallocConfig } from "../../src/spalloc/read-config.ts"

/** What board 0 0 0 in cabinet 1, frame 2, board 3 and its BMP are called. */
function hostsOf(text: string): { board: string | undefined; bmp: string | undefined } {
  const read = readSpallocConfig(text, "f")
  if (!read.ok) throw new Error(read.complaints)
  const [machine] = read.config.machines
  return { board: machine?.boards[0]?.host, bmp: machine?.bmps[0]?.host }
}

const OWN = {
  base: "10.0.0.0",
  "cabinet-stride": "0.1.0.0",
  "frame-stride": "0.0.4.0",
  "board-stride": "0.0.0.16",
  "bmp-offset": "0.0.0.5",
  "spinnaker-offset": "0.0.0.7",
}

const toml = (ips: object) =>
  `[[machine]]\nname = "m"\nwidth = 1\nheight = 1\ndead-boards = [[0, 0, 1], [0, 0, 2]]\n` +
  `boards = [{ at = [0, 0, 0], place = [1, 2, 3] }]\n[machine.standard-ips]\n` +
  Object.entries(ips)
    .map(([key, value]) => `${key} = "${value}"\n`)
    .join("")

const java = (ips: object) =>
  JSON.stringify({
    machines: [
      {
        name: "m",
        tags: [],
        width: 1,
        height: 1,
        "dead-boards": [
          { x: 0, y: 0, z: 1 },
          { x: 0, y: 0, z: 2 },
        ],
        "board-locations": { "[x:0,y:0,z:0]": { c: 1, f: 2, b: 3 } },
        "standard-ips": ips,
      },
    ],
  })

test.each([
  ["TOML", toml],
  ["the Java server's JSON", java],
])("standard addresses of boards and of BMPs follow from the places, in %s", (_format, file) => {
  expect(hostsOf(file({}))).toEqual({ board: "192.168.7.25", bmp: "192.168.7.0" })
})

test.each([
  ["TOML", toml],
  ["the Java server's JSON", java],
])("standard addresses may have a base, strides and offsets of their own, in %s", (_format, file) => {
  expect(hostsOf(file(OWN))).toEqual({ board: "10.1.8.55", bmp: "10.1.8.5" })
})
