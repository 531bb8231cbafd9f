import { afterAll, afterEach, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { spallocBoardsCommand, spallocRestoreCommand } from "../../src/cli/spalloc-boards.ts"
import { spallocControlAddress } from "../../src/cli/spalloc-state.ts"
import { DEFAULT_SETTINGS } from "../../src/spalloc/config.ts"
import { spallocControlAnswers } from "../../src/spalloc/control.ts"
import { systemClock } from "../../src/transport/clock.ts"
import { ControlListener } from "../../src/transport/control-listener.ts"
import { labMachine } from "../support/spalloc-lab.ts"
import { LineClient, startServer } from "../support/spalloc-server.ts"
import { until } from "../support/until.ts"
import { runCli } from "./run-cli.ts"

const scratch = mkdtempSync(join(tmpdir(), "spalloc-boards-"))
const listeners: ControlListener[] = []
let made = 0
afterEach(() => {
  for (const listener of listeners.splice(0)) listener.close()
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** A server whose board 0 0 1 failed three times and 0 0 2 once, and the option that leads to it. */
async function withFailures() {
  const lab = startServer({
    settings: { ...DEFAULT_SETTINGS, secondsBeforeFree: 0 },
    machines: [labMachine(1, 1, { deadBoards: [[0, 0, 0]] })],
  })
  const client = await LineClient.connect(lab.port)
  for (const z of [1, 2, 1, 1]) {
    await client.ask("create_job", [0, 0, z], { owner: "me" })
    await until(() => lab.power.waiting.length === 1, "the power-on")
    lab.power.settle({ kind: "failed", detail: "FPGA 1 did not come up", boards: [z] })
    await until(() => lab.power.waiting.length === 1, "the power-off")
    lab.power.settle()
  }
  await client.ask("version")
  const state = join(scratch, `${++made}.sqlite`)
  const onRequest = spallocControlAnswers(lab.server)
  listeners.push(new ControlListener({ address: spallocControlAddress(state), clock: systemClock, onRequest }))
  return { ...lab, client, options: ["--state", state] }
}

const deadBoards = async (client: LineClient) =>
  ((await client.ask("list_machines")) as { return: { dead_boards: unknown[] }[] }).return[0]!.dead_boards

test("spalloc boards lists the boards that failed, and why they are out of service", async () => {
  const { options } = await withFailures()
  expect((await runCli(spallocBoardsCommand, ...options)).stdout.split("\n")).toEqual([
    "Machine  Board  Cabinet Frame Board  BMP        Failures  State",
    "lab      0 0 1  0 0 1                lab-bmp-0  3         out of service: FPGA 1 did not come up",
    "lab      0 0 2  0 0 2                lab-bmp-0  1         in service",
    "",
  ])
  expect(JSON.parse((await runCli(spallocBoardsCommand, ...options, "--json")).stdout)).toMatchObject([
    { machine: "lab", board: [0, 0, 1], physical: [0, 0, 1], failures: 3, outOfService: "FPGA 1 did not come up" },
    { board: [0, 0, 2], outOfService: null },
  ])
})

test("spalloc restore puts a board back, and jobs get it again", async () => {
  const { options, client, power } = await withFailures()
  await client.ask("notify_machine")
  expect(await deadBoards(client)).toEqual([
    [0, 0, 0],
    [0, 0, 1],
  ])
  const { exit, stderr } = await runCli(spallocRestoreCommand, "lab", "0", "0", "1", ...options)
  expect([exit, stderr]).toEqual([0, "Board 0 0 1 of lab is in service again.\n"])
  expect(await deadBoards(client)).toEqual([[0, 0, 0]])
  await until(() => client.notifications.length === 1, "the news")
  await client.ask("create_job", [0, 0, 1], { owner: "me" })
  await until(() => power.waiting.length === 1, "the power-on")
})

test.each([
  [["lab", "0", "0", "2"], "Board 0 0 2 of lab is in service."],
  [["lab", "0", "0", "0"], "Board 0 0 0 of lab is dead in the configuration: take it out of dead-boards there"],
  [["lab", "1", "0", "0"], "Board 1 0 0 of lab is outside it: it has 1x1 triads."],
  [["lob", "0", "0", "0"], 'There is no machine "lob"; the server has: lab.'],
  [["lab", "0", "0", "x"], 'z "x": expected a whole number'],
  [["lab", "0", "0"], "z"],
])("spalloc restore %j says what is wrong", async (args, expected) => {
  const { options } = await withFailures()
  const { exit, stderr } = await runCli(spallocRestoreCommand, ...args, ...options)
  expect(exit).not.toBe(0)
  expect(stderr).toContain(expected)
})

test("no server, or one that remembers nothing, is told of in one line", async () => {
  const state = join(scratch, "nobody.sqlite")
  expect((await runCli(spallocBoardsCommand, "--state", state)).stderr).toBe(
    `spinnaker-relay: No spalloc server runs here with the state ${state}: run this on its machine as the user who started it, and name its --state if it has one.\n`,
  )
  expect((await runCli(spallocBoardsCommand, "--state", ":memory:")).stderr).toContain(
    "(as with --fake) cannot be asked",
  )
})
