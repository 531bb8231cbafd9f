/** The spalloc server as its users have it: processes, a configuration file, fake boards, and a kill without warning. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Child, startBoard, startRelay } from "../support/relay-process.ts"
import { residentBytes } from "../support/resident-memory.ts"
import { LineClient } from "../support/spalloc-server.ts"
import { manyLoopbacks } from "../support/udp.ts"

let folder = ""
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "spalloc-e2e-"))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Addresses that no other test run on this machine has. */
const network = `127.${64 + (process.pid % 128)}.${(process.pid >> 7) & 0xff}`

/** Waits until the server says where it listens. */
async function portOf(server: Child): Promise<number> {
  const [line] = await server.waitForLine(/^\{.*"spalloc".*\}$/, undefined, "stdout")
  return Number((JSON.parse(line).spalloc as string).split(":").at(-1))
}

async function run(...args: string[]): Promise<{ exit: number; out: string }> {
  await using child = startRelay(args)
  const exit = await child.exited
  return { exit, out: [...child.stdout, ...child.stderr].join("\n") }
}

/** Asks until the job is ready. */
async function ready(client: LineClient, job: number): Promise<void> {
  for (;;) {
    const { return: state } = (await client.ask("get_job_state", [job])) as {
      return: { state: number; reason: string }
    }
    if (state.state === 3) return
    if (state.state !== 2) throw new Error(`job ${job} is in state ${state.state}: ${state.reason}`)
    await Bun.sleep(20)
  }
}

describe.if(manyLoopbacks)("spalloc --fake", () => {
  test("gives a job whose board has no power before, boots when it has, and has none after", async () => {
    const image = join(folder, "scamp.boot")
    await writeFile(image, new Uint8Array(3000).fill(7))
    await using server = startRelay(["spalloc", "--fake", "1x1", "--fake-address", `${network}.0`, "--port", "0"])
    const port = await portOf(server)
    const at = ["--host", "127.0.0.1", "--port", String(port)]
    const client = await LineClient.connect(port)
    const id = ((await client.ask("create_job", [], { owner: "me" })) as { return: number }).return
    await ready(client, id)
    const info = (await client.ask("get_job_machine_info", [id])) as { return: { connections: [number[], string][] } }
    const host = info.return.connections[0]![1]
    expect(host).toBe(`${network}.1`)
    expect(await run("boot", host, "--image", image)).toMatchObject({ exit: 0 })
    expect((await run("info", host)).out).toContain("SC&MP 3.4.1")
    expect((await run("spalloc", "machine", "fake", ...at)).out).toContain("1 of 3 boards in use by 1 jobs")
    expect(await run("spalloc", "destroy", String(id), ...at)).toMatchObject({ exit: 0 })
    await server.waitForLine(/job 1 ended/)
    while (
      ((await client.ask("list_machines")) as object) &&
      (await run("info", host, "--timeout", "0.2")).exit === 0
    ) {
      await Bun.sleep(20)
    }
  }, 30_000)

  test("says in one line that its addresses are taken", async () => {
    const base = ["spalloc", "--fake", "1x1", "--fake-address", `${network}.32`, "--port", "0"]
    await using first = startRelay(base)
    await portOf(first)
    const second = await run(...base)
    expect(second.exit).toBe(1)
    expect(second.out).toContain("another program has UDP port 17893 or 54321 there")
  })
})

describe.if(manyLoopbacks && process.platform !== "win32")("spalloc --config", () => {
  const machine = (name: string, host: string, bmp: string) =>
    `[[machine]]\nname = "${name}"\nsingle-board = { bmp = "${bmp}", host = "${host}" }\n`

  test("reads its file again at SIGHUP, and after a kill -9 has the same jobs with the same boards", async () => {
    const bmp = `${network}.65`
    await using board = await startBoard([
      "--listen",
      `${network}.66`,
      "--bmp",
      bmp,
      "--powered-off",
      "--power-on-ms",
      "0",
    ])
    const file = join(folder, "lab.toml")
    await writeFile(file, machine("desk", board.scp.host, `${bmp}:${board.scp.port}`))
    const state = ["--state", join(folder, "state.sqlite")]
    const args = ["spalloc", "--config", file, ...state, "--port", "0"]
    let before: unknown
    {
      await using server = startRelay(args)
      const client = await LineClient.connect(await portOf(server))
      await client.ask("create_job", [], { owner: "me", keepalive: null })
      await client.ask("create_job", [], { owner: "you", keepalive: null })
      await writeFile(file, "[[machine]]\nname = 5\n")
      process.kill(server.pid, "SIGHUP")
      await server.waitForLine(/the configuration stays as it was: .*lab\.toml:2:8/)
      const more = machine("other", "192.0.2.1", "192.0.2.2")
      await writeFile(file, machine("desk", board.scp.host, `${bmp}:${board.scp.port}`) + more)
      process.kill(server.pid, "SIGHUP")
      await server.waitForLine(/machine other: new/)
      expect(await client.ask("list_machines")).toMatchObject({ return: [{ name: "desk" }, { name: "other" }] })
      before = await client.ask("list_jobs")
      await server.kill()
    }
    await using server = startRelay(args)
    const client = await LineClient.connect(await portOf(server))
    const facts = (jobs: unknown): unknown =>
      (jobs as { return: Record<string, unknown>[] }).return.map((job) => [
        job.job_id,
        job.owner,
        job.allocated_machine_name,
        job.boards,
      ])
    expect(facts(await client.ask("list_jobs"))).toEqual(facts(before))
    expect(facts(before)).toEqual([
      [1, "me", "desk", [[0, 0, 0]]],
      [2, "you", "other", [[0, 0, 0]]],
    ])
    // Power work that the killed process had not finished is finished.
    await ready(client, 1)
    await board.waitForLine(/rom|power/i)
    // The operator is answered by the second one, though the first has left its socket behind.
    expect(await run("spalloc", "boards", ...state)).toEqual({ exit: 0, out: "All boards came up the last time." })
    expect((await run("spalloc", "restore", "desk", "0", "0", "0", ...state)).out).toContain("desk is in service.")
    expect((await stat(`${state[1]}.sock`)).mode & 0o777).toBe(0o600)
  }, 30_000)

  test.if(process.env.FULL !== undefined)(
    "serves on beside 10,000 connections, half of them with half a line",
    async () => {
      const file = join(folder, "crowd.toml")
      await writeFile(file, "[server]\nmax-connections-per-host = 20000\n")
      await using server = startRelay(["spalloc", "--config", file, "--state", ":memory:", "--port", "0"])
      const port = await portOf(server)
      const before = residentBytes(server.pid)
      const crowd: LineClient[] = []
      for (let count = 0; count < 10_000; count++) {
        const client = await LineClient.connect(port)
        if (count % 2 === 0) client.sendText('{"command": "ver')
        crowd.push(client)
      }
      const good = await LineClient.connect(port)
      const begun = performance.now()
      for (let asked = 0; asked < 100; asked++) expect(await good.ask("version")).toEqual({ return: "1.0.0" })
      console.log(`100 answers took ${Math.round(performance.now() - begun)} ms`)
      const after = residentBytes(server.pid)
      console.log(`10,000 connections cost ${Math.round((after - before) / 2 ** 20)} MiB`)
      expect(after - before).toBeLessThan(200 * 2 ** 20)
      for (const { peer } of crowd) peer.end()
    },
    300_000,
  )

  test.if(process.env.FULL !== undefined)(
    "serves on beside hostile clients of all kinds at once",
    async () => {
      const file = join(folder, "hostile.toml")
      const places = (...all: string[]): string => all.join(", ")
      const boards = Array.from({ length: 1200 }, (_, at) => {
        const triad = Math.floor(at / 3)
        const place = places(`${Math.floor(at / 24)}`, "0", `${at % 24}`)
        return `{ at = [${places(`${Math.floor(triad / 20)}`, `${triad % 20}`, `${at % 3}`)}], place = [${place}] }`
      })
      const dead = Array.from(
        { length: 40 },
        (_, at) => `[${places(`${(at * 7) % 20}`, `${(at * 3) % 20}`, "1", "0")}]`,
      )
      const limits = "max-connections-per-host = 20000\nmax-jobs-per-host = 10000\n"
      const rack = `[[machine]]\nname = "rack"\ndead-links = [${dead.join(", ")}]\nboards = [${boards.join(",\n")}]\n`
      await writeFile(file, `[server]\n${limits}${rack}[machine.standard-ips]\nbase = "127.0.0.0"\n`)
      await using server = startRelay(["spalloc", "--config", file, "--state", ":memory:", "--port", "0"])
      const port = await portOf(server)
      const good = await LineClient.connect(port)
      const tookMs = async (count: number): Promise<string> => {
        const took: number[] = []
        for (let asked = 0; asked < count; asked++) {
          const begun = performance.now()
          expect(await good.ask("version")).toEqual({ return: "1.0.0" })
          took.push(performance.now() - begun)
        }
        took.sort((one, other) => one - other)
        const at = (share: number): string => took[Math.floor((took.length - 1) * share)]!.toFixed(1)
        return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`
      }
      console.log(`alone: ${await tookMs(200)}`)
      const before = residentBytes(server.pid)
      const crowd: LineClient[] = []
      const crowdIn = async (count: number, act: (client: LineClient) => void): Promise<void> => {
        for (let done = 0; done < count; done++) {
          const client = await LineClient.connect(port)
          act(client)
          crowd.push(client)
        }
      }
      await crowdIn(2000, (client) => client.sendText('{"command": "cre'))
      await crowdIn(1000, (client) => {
        client.send("notify_job")
        client.peer.socket.pause()
      })
      await crowdIn(20, (client) => client.sendText("x".repeat(10 << 20)))
      await crowdIn(100, (client) => client.peer.send(new Uint8Array(100_000).map((_, at) => (at * 7) & 0xff)))
      for (let job = 0; job < 500; job++) await good.ask("create_job", [20, 20], { owner: "me" })
      await crowdIn(50, (client) => {
        client.peer.socket.pause()
        client.sendText('{"command": "list_jobs"}\n'.repeat(3000))
      })
      console.log(`beside 3,170 of them: ${await tookMs(500)}`)
      await crowdIn(10, (client) => {
        for (let request = 0; request < 300; request++) {
          // No two alike: what is known of one tells nothing of the next.
          client.send("create_job", [10, 10], {
            owner: "me",
            max_dead_links: 0,
            max_dead_boards: 100 + crowd.length * 300 + request,
          })
        }
      })
      console.log(`and 10 with 300 requests each that take long to refuse: ${await tookMs(50)}`)
      const cost = (residentBytes(server.pid) - before) / 2 ** 20
      console.log(`they cost ${Math.round(cost)} MiB`)
      expect(cost).toBeLessThan(400)
      for (const { peer } of crowd) peer.end()
    },
    300_000,
  )

  test("--check says where a mistake is", async () => {
    const file = join(folder, "wrong.toml")
    await writeFile(file, '[server]\nport = "22244"\n')
    const { exit, out } = await run("spalloc", "--config", file, "--check")
    expect(exit).toBe(1)
    expect(out).toMatch(/wrong\.toml:2:8/)
    await writeFile(file, machine("desk", "192.0.2.1", "192.0.2.2"))
    expect(await run("spalloc", "--config", file, "--check")).toEqual({
      exit: 0,
      out: `${file} is right: 1 machine, 1 board, 1 BMP`,
    })
  })
})
