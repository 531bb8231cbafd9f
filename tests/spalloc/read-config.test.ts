import { describe, expect, test } from "bun:test"
import { DEFAULT_SETTINGS } from "../../src/spalloc/config.ts"
import { readSpallocConfig } from "../../src/spalloc/read-config.ts"

/** Everything that the file can say. */
const EXAMPLE = `
# spinnaker-relay spalloc --config spalloc.toml
[server]
listen = "0.0.0.0"                 # "127.0.0.1": only this computer
port = 22244
allow = ["192.0.2.0/24"]           # who may connect; absent: anybody
max-jobs = 10000
max-jobs-per-host = 500
max-connections-per-host = 100
owner-only = false                 # true: only the host that created a job may switch or destroy it
version = "1.0.0"                  # what clients are told; all generations take this one
timeout-check-interval = 5.0       # seconds between looks at keepalives
max-retired-jobs = 1200            # destroyed jobs that are remembered
seconds-before-free = 30.0         # rest of a board between two jobs

# A board on its own.
[[machine]]
name = "desk"
tags = ["default", "small"]
single-board = { bmp = "192.168.240.0", host = "192.168.240.1" }

# Triads of boards in a rack. Machines that stand first are used first.
[[machine]]
name = "rack"
tags = ["default", "rack"]
width = 1                          # triads; absent: as far as the boards go
height = 1
dead-boards = [[0, 0, 2]]          # [x, y, z]
dead-links = [[0, 0, 0, "north"]]  # seen from the board; or 0 to 5 for E NE N W SW S
boards = [                         # place: [cabinet, frame, board]
  { at = [0, 0, 0], place = [1, 0, 0] },
  { at = [0, 0, 1], place = [1, 0, 1], host = "10.0.0.9" },
]
bmps = [{ frame = [1, 0], host = "10.0.0.1" }]
[machine.standard-ips]             # for hosts that are not given
base = "192.168.0.0"
cabinet-stride = "0.0.5.0"
frame-stride = "0.0.1.0"
board-stride = "0.0.0.8"
bmp-offset = "0.0.0.0"
spinnaker-offset = "0.0.0.1"
`

const JAVA = JSON.stringify({
  port: 22245,
  ip: "127.0.0.2",
  "timeout-check-interval": 1.5,
  "max-retired-jobs": 10,
  "seconds-before-free": 7,
  machines: [
    {
      name: "rack",
      tags: ["default"],
      width: 1,
      height: 1,
      "dead-boards": [{ x: 0, y: 0, z: 2 }],
      "dead-links": { "[x:0,y:0,z:0]": ["northEast", "south"] },
      "board-locations": { "[x:0,y:0,z:0]": { c: 0, f: 0, b: 0 }, "[x:0,y:0,z:1]": { c: 0, f: 0, b: 1 } },
      "bmp-ips": { "[c:0,f:0]": "10.0.0.1" },
      "spinnaker-ips": { "[x:0,y:0,z:0]": "10.0.0.2", "[x:0,y:0,z:1]": "10.0.0.3" },
    },
  ],
})

function complaintsOf(text: string): string {
  const read = readSpallocConfig(text, "f")
  return read.ok ? "" : read.complaints
}

test("the whole of a TOML file is understood", () => {
  const read = readSpallocConfig(EXAMPLE, "f")
  if (!read.ok) throw new Error(read.complaints)
  expect(read.config.settings).toEqual({ ...DEFAULT_SETTINGS, listen: "0.0.0.0", allow: ["192.0.2.0/24"] })
  expect(read.config.machines).toEqual([
    {
      name: "desk",
      tags: ["default", "small"],
      width: 1,
      height: 1,
      deadBoards: [
        [0, 0, 1],
        [0, 0, 2],
      ],
      deadLinks: [],
      boards: [{ logical: [0, 0, 0], physical: [0, 0, 0], host: "192.168.240.1" }],
      bmps: [{ cabinet: 0, frame: 0, host: "192.168.240.0" }],
    },
    {
      name: "rack",
      tags: ["default", "rack"],
      width: 1,
      height: 1,
      deadBoards: [[0, 0, 2]],
      deadLinks: [[0, 0, 0, 2]],
      boards: [
        { logical: [0, 0, 0], physical: [1, 0, 0], host: "192.168.5.1" },
        { logical: [0, 0, 1], physical: [1, 0, 1], host: "10.0.0.9" },
      ],
      bmps: [{ cabinet: 1, frame: 0, host: "10.0.0.1" }],
    },
  ])
})

test("an empty file is a server with the defaults and no machines", () => {
  expect(readSpallocConfig("", "f")).toEqual({ ok: true, config: { settings: DEFAULT_SETTINGS, machines: [] } })
})

describe("a complaint says where and what", () => {
  const machine = (body: string) => `[[machine]]\nname = "m"\n${body}`
  const boards = (...list: string[]) => `boards = [${list.join(", ")}]`
  const board = (z: number, more = "") => `{ at = [0, 0, ${z}], place = [0, 0, ${z}]${more} }`
  const all = boards(...[0, 1, 2].map((z) => board(z, `, host = "h${z}"`)))
  const bmps = 'bmps = [{ frame = [0, 0], host = "b" }]'

  test.each([
    ["[server]\nport = 0", "f:2:8: server.port"],
    ['[server]\nallow = ["nowhere"]', "f:2:10:"],
    ['[server]\nversion = "1!6.0"', "f:2:11:"],
    ["[server]\nprot = 1", "did you mean port"],
    ["[server", "f:1:"],
    ["[[machine]]\nwidth = 1", "name is missing"],
    [machine("width = 1"), "both width and height"],
    [machine(""), "no boards"],
    [machine(`${all}`), "no BMP"],
    [machine(`${boards(board(0), board(1), board(2))}\n${bmps}`), "has no host"],
    [machine(`${boards(board(0, ', host = "h"'))}\n${bmps}`), "[0,0,1], [0,0,2] have no place"],
    [
      machine(`width = 1\nheight = 1\ndead-boards = [[1, 0, 0]]\n${all}\n${bmps}`),
      "f:5:15: dead board [1, 0, 0] is outside",
    ],
    [machine(`dead-links = [[0, 0, 0, "up"]]\n${all}\n${bmps}`), "f:3:25:"],
    [machine(`dead-boards = [[0, 0, 3]]\n${all}\n${bmps}`), "f:3:23:"],
    [machine(`boards = [{ at = [0, 0, 0], place = [0, 0, 24] }]`), "f:3:44:"],
    [machine(boards(board(0), board(0))), "twice"],
    [machine(`${all}\n${bmps}\n${machine('single-board = { bmp = "x", host = "y" }')}`), "two machines are called"],
    [machine(`${all}\nbmps = [{ frame = [0, 0], host = "h0" }]`), "h0 is both"],
    [machine('width = 2\nsingle-board = { bmp = "a", host = "b" }'), "has no width"],
    [machine(`width = 22\nheight = 1`), "from 1 to 21"],
    [machine(`${all}\n[machine.standard-ips]\nbase = "255.255.255.255"\nframe-stride = "192.168.0"`), "f:6:16:"],
  ])("%j", (text, complaint) => {
    expect(complaintsOf(text)).toContain(complaint)
  })
})

describe("the Java server's file", () => {
  test("is understood", () => {
    const read = readSpallocConfig(JAVA, "f")
    if (!read.ok) throw new Error(read.complaints)
    expect(read.config.settings).toEqual({
      ...DEFAULT_SETTINGS,
      listen: "127.0.0.2",
      port: 22245,
      timeoutCheckIntervalS: 1.5,
      maxRetiredJobs: 10,
      secondsBeforeFree: 7,
    })
    expect(read.config.machines).toEqual([
      {
        name: "rack",
        tags: ["default"],
        width: 1,
        height: 1,
        deadBoards: [[0, 0, 2]],
        deadLinks: [
          [0, 0, 0, 1],
          [0, 0, 0, 5],
        ],
        boards: [
          { logical: [0, 0, 0], physical: [0, 0, 0], host: "10.0.0.2" },
          { logical: [0, 0, 1], physical: [0, 0, 1], host: "10.0.0.3" },
        ],
        bmps: [{ cabinet: 0, frame: 0, host: "10.0.0.1" }],
      },
    ])
  })

  test("may leave addresses to the standard", () => {
    const read = readSpallocConfig(JAVA.replace(/"bmp-ips".*?}.*?}/, '"standard-ips":{}'), "f")
    if (!read.ok) throw new Error(read.complaints)
    expect(read.config.machines[0]?.boards.map(({ host }) => host)).toEqual(["192.168.0.1", "192.168.0.9"])
    expect(read.config.machines[0]?.bmps).toEqual([{ cabinet: 0, frame: 0, host: "192.168.0.0" }])
  })

  test.each([
    ["{", "not JSON"],
    ['{"machines": 1}', "machines is 1: expected a list"],
    ['{"machines": [{"tags": []}]}', "machines[0].name is missing"],
    ['{"port": "x"}', 'port is "x"'],
    [JAVA.replace("northEast", "up"), "machines[0].dead-links"],
    [JAVA.replace("[x:0,y:0,z:1]", "[x:0,y:0]"), "is no place"],
    [JAVA.replace('"10.0.0.2"', '"10.0.0.1"'), "10.0.0.1 is both"],
  ])("is complained of by path: %j", (text, complaint) => {
    expect(complaintsOf(text)).toContain(complaint)
  })
})
