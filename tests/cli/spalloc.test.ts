import { describe, expect, test } from "bun:test"
import { spallocCommand } from "../../src/cli/spalloc.ts"
import {
  spallocDestroyCommand,
  spallocMachineCommand,
  spallocPsCommand,
  spallocWhereIsCommand,
} from "../../src/cli/spalloc-tools.ts"
import { DEFAULT_SETTINGS } from "../../src/spalloc/config.ts"
import { labMachine } from "../support/spalloc-lab.ts"
import { LineClient, startServer } from "../support/spalloc-server.ts"
import { deadPort } from "../support/udp.ts"
import { until } from "../support/until.ts"
import { CliRun, runCli } from "./run-cli.ts"

/** A server with job 1 (a triad) and job 2 (a board), and the options that lead to it. */
async function withJobs() {
  const test = startServer({
    settings: DEFAULT_SETTINGS,
    machines: [labMachine(3, 2, { deadBoards: [[2, 1, 2]], deadLinks: [[0, 1, 0, 2]] })],
  })
  const client = await LineClient.connect(test.port)
  await client.ask("create_job", [1, 1], { owner: "one\u001b[2J" })
  await client.ask("create_job", [], { owner: "two", keepalive: null })
  await until(() => test.power.waiting.length === 2, "power work")
  test.power.settle()
  await client.ask("version")
  return { ...test, client, options: ["--host", "127.0.0.1", "--port", String(test.port)] }
}

describe("spalloc ps", () => {
  test("lists jobs, and lets no owner steer the terminal", async () => {
    const { options } = await withJobs()
    const { exit, stdout } = await runCli(spallocPsCommand, ...options)
    expect(exit).toBe(0)
    const lines = stdout.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "THEN").split("\n")
    expect(lines).toEqual([
      "ID  State  Power  Boards  Machine  Created at           Keepalive  Owner (Host)",
      " 1  ready  on          3  lab      THEN  60 s       one?[2J (127.0.0.1)",
      " 2  ready  on          1  lab      THEN  for ever   two (127.0.0.1)",
      "",
    ])
  })

  test("gives the records as JSON, of one owner only where asked", async () => {
    const { options } = await withJobs()
    const { stdout } = await runCli(spallocPsCommand, ...options, "--json", "--owner", "two")
    expect(JSON.parse(stdout)).toMatchObject([{ job_id: 2, owner: "two", keepalive: null }])
  })

  test("clears no screen where standard output is a file, whatever standard error is", async () => {
    const { options } = await withJobs()
    const run = new CliRun(spallocPsCommand, [...options, "--watch"], { isTerminal: true })
    await until(() => run.stdout.includes("two"), "the list")
    run.stop()
    await run.exit
    expect(run.stdout).toStartWith("ID")
  })

  test("prints it again at each change, until Ctrl-C", async () => {
    const { options, client } = await withJobs()
    const run = new CliRun(spallocPsCommand, [...options, "--json", "--watch"])
    const printed = (): unknown[][] =>
      run.stdout
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line))
    await until(() => printed().length === 1, "the first list")
    await client.ask("destroy_job", [1])
    await until(() => printed().at(-1)?.length === 1, "the second list")
    run.stop()
    expect(await run.exit).toBe(0)
  })
})

describe("spalloc machine", () => {
  test("lists machines", async () => {
    const { options } = await withJobs()
    const { stdout } = await runCli(spallocMachineCommand, ...options)
    expect(stdout).toBe("Name  Boards  In use  Dead  Jobs  Tags\nlab       17       4     1     2  default\n")
  })

  test("draws one: jobs as pieces, dead boards as holes, dead links crossed", async () => {
    const { options } = await withJobs()
    const { stdout } = await runCli(spallocMachineCommand, "lab", ...options)
    const drawing = stdout.split("\n").slice(4, 12)
    expect(drawing).toEqual([
      " ___     ___",
      "/ . \\___/ . \\___     ___",
      "\\XXX/ . \\___/ . \\___/ . \\",
      "/ B \\___/ . \\___/ . \\___/",
      "\\___/ A \\___/ . \\___/ . \\___",
      "    \\     A \\___/ . \\___/ . \\",
      "    / A  ___/ . \\___/ . \\___/",
      "    \\___/   \\___/   \\___/",
    ])
    expect(stdout).toContain("4 of 17 boards in use by 2 jobs\ndead or out of service: (2, 1, 2)\n")
  })

  test("gives the records as JSON: of all machines, or of one with the jobs on it", async () => {
    const { options } = await withJobs()
    const all = await runCli(spallocMachineCommand, "--json", ...options)
    const lab = { name: "lab", width: 3, height: 2, dead_boards: [[2, 1, 2]], dead_links: [[0, 1, 0, 2]] }
    expect(JSON.parse(all.stdout)).toMatchObject([lab])
    const one = await runCli(spallocMachineCommand, "lab", "--json", ...options)
    expect(JSON.parse(one.stdout)).toMatchObject({ machine: lab, jobs: [{ job_id: 1 }, { job_id: 2 }] })
  })

  test("says which machines there are instead of one that there is not", async () => {
    const { options } = await withJobs()
    const { exit, stderr } = await runCli(spallocMachineCommand, "lob", ...options)
    expect(exit).toBe(1)
    expect(stderr).toBe('spinnaker-relay: There is no machine "lob"; the server has: lab.\n')
  })
})

describe("spalloc where-is", () => {
  test.each([
    [["board", "lab", "0", "0", "1"], "Board: (0, 0, 1)"],
    [["physical", "lab", "0", "0", "1"], "Board: (0, 0, 1)"],
    [["chip", "lab", "9", "5"], "Chip in board: (1, 1)"],
    [["job", "1", "9", "5"], "Chip in job: (9, 5)"],
  ])("finds %j", async (place, expected) => {
    const { options } = await withJobs()
    const { exit, stdout } = await runCli(spallocWhereIsCommand, ...place, ...options)
    expect(exit).toBe(0)
    expect(stdout).toContain(expected)
  })

  test("gives the record as JSON", async () => {
    const { options } = await withJobs()
    const { stdout } = await runCli(spallocWhereIsCommand, "chip", "lab", "9", "5", "--json", ...options)
    expect(JSON.parse(stdout)).toEqual({
      machine: "lab",
      logical: [0, 0, 1],
      physical: [0, 0, 1],
      chip: [9, 5],
      board_chip: [1, 1],
      job_id: 1,
      job_chip: [9, 5],
    })
  })

  test("says what it takes", async () => {
    const wrong = async (...place: string[]) => (await runCli(spallocWhereIsCommand, ...place)).stderr
    const { options } = await withJobs()
    expect(await wrong("planet", "1", ...options)).toContain('"planet": expected board, physical, chip or job')
    expect(await wrong("job", "1", ...options)).toContain("where-is job takes job_id chip_x chip_y")
    expect(await wrong("job", "one", "1", "1", ...options)).toContain('job_id "one": expected a whole number')
    expect(await wrong("job", "9", "1", "1", ...options)).toContain("There is no board at job 9 1 1.")
  })
})

describe("spalloc destroy", () => {
  test("ends a job with a reason, and says so of one that is over or was never", async () => {
    const { options, client } = await withJobs()
    expect((await runCli(spallocDestroyCommand, "1", "needed elsewhere", ...options)).stdout).toBe(
      "Job 1 is destroyed.\n",
    )
    expect(await client.ask("get_job_state", [1])).toMatchObject({ return: { state: 4, reason: "needed elsewhere" } })
    expect((await runCli(spallocDestroyCommand, "1", ...options)).stderr).toContain("Job 1 has ended already.")
    expect((await runCli(spallocDestroyCommand, "7", ...options)).stderr).toContain("The server knows no job 7")
  })

  test("says so as JSON too", async () => {
    const { options, client } = await withJobs()
    const { stdout } = await runCli(spallocDestroyCommand, "1", "--json", ...options)
    expect(JSON.parse(stdout)).toEqual({ job_id: 1, destroyed: true })
    expect(await client.ask("get_job_state", [1])).toMatchObject({ return: { state: 4 } })
  })
})

describe("the tools say in one line", () => {
  test("that no server is there", async () => {
    const { exit, stderr } = await runCli(spallocPsCommand, "--host", "127.0.0.1", "--port", String(await deadPort()))
    expect(exit).toBe(1)
    expect(stderr).toMatch(/^spinnaker-relay: No spalloc server at 127\.0\.0\.1:\d+: nothing listens there\. .*\n$/)
  })

  test("that the server refuses them", async () => {
    const { port } = startServer({ settings: { ...DEFAULT_SETTINGS, allow: ["192.0.2.1"] }, machines: [] })
    const { stderr } = await runCli(spallocPsCommand, "--host", "127.0.0.1", "--port", String(port))
    expect(stderr).toContain("127.0.0.1 is not among the addresses")
  })

  test("that it is no spalloc v1 server", async () => {
    const { port } = startServer({ settings: { ...DEFAULT_SETTINGS, version: "next generation" }, machines: [] })
    const { stderr } = await runCli(spallocPsCommand, "--host", "127.0.0.1", "--port", String(port))
    expect(stderr).toContain('says version "next generation": this program knows spalloc v1 only')
  })

  test("what is wrong with an option", async () => {
    expect((await runCli(spallocCommand)).stderr).toContain("give --config FILE, or --fake 3x2")
    expect((await runCli(spallocCommand, "--fake", "big")).stderr).toContain(
      '--fake "big": expected triads such as 3x2',
    )
    expect((await runCli(spallocCommand, "--fake", "1x1", "--config", "x")).stderr).toContain("exclude each other")
    expect((await runCli(spallocCommand, "--config", "/no/such.toml")).stderr).toContain("there is no such file")
  })
})
