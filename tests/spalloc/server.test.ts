import { describe, expect, test } from "bun:test"
import { HIGH_WATER_BYTES, LINE_DEADLINE_MS, READ_DEADLINE_MS } from "../../src/spalloc/client-connection.ts"
import { DEFAULT_SETTINGS, type ServerSettings } from "../../src/spalloc/config.ts"
import { FakeClock } from "../support/fake-clock.ts"
import { RawPeer } from "../support/raw-tcp.ts"
import { labMachine } from "../support/spalloc-lab.ts"
import { LineClient, startServer } from "../support/spalloc-server.ts"
import { until } from "../support/until.ts"

const config = (settings: Partial<ServerSettings> = {}) => ({
  settings: { ...DEFAULT_SETTINGS, secondsBeforeFree: 0, ...settings },
  machines: [labMachine(2, 1)],
})
const owner = { owner: "me" }

describe("the server", () => {
  test("answers pipelined commands in order, whatever they are", async () => {
    const { port } = startServer(config())
    const client = await LineClient.connect(port)
    for (let round = 0; round < 50; round++) {
      client.send("version")
      client.send("create_job", [], owner)
      client.send("get_job_state", [round + 1])
      client.send("destroy_job", [round + 1])
    }
    await until(() => client.lines.length === 200, "200 replies")
    for (let round = 0; round < 50; round++) {
      const [version, id, state, destroyed] = client.lines.slice(4 * round)
      expect([version, id, destroyed]).toEqual([{ return: "1.0.0" }, { return: round + 1 }, { return: null }])
      expect((state as { return: { state: number } }).return.state).toBeGreaterThan(0)
    }
  })

  test("sends notifications behind the reply of the command that caused them, each change once a turn", async () => {
    const { port, power } = startServer(config())
    const client = await LineClient.connect(port)
    await client.ask("notify_job")
    await client.ask("notify_machine")
    await client.ask("create_job", [], owner)
    await until(() => client.notifications.length === 2, "the news")
    expect(client.lines.slice(2)).toEqual([{ return: 1 }, { jobs_changed: [1] }, { machines_changed: ["lab"] }])
    power.settle()
    await until(() => client.notifications.length === 3, "the end of the power work")
    expect(client.notifications[2]).toEqual({ jobs_changed: [1] })
  })

  test("carries power work out and destroys the job when it fails, with a reason that names the BMP", async () => {
    const { port, power } = startServer(config())
    const client = await LineClient.connect(port)
    await client.ask("create_job", [], owner)
    await until(() => power.waiting.length === 1, "power work")
    power.settle({ kind: "failed", detail: "BMP lab-bmp-0 does not answer" })
    const state = (await client.ask("get_job_state", [1])) as { return: { state: number; reason: string } }
    expect(state.return.state).toBe(4)
    expect(state.return.reason).toContain("lab-bmp-0")
  })

  test("takes a board that fails three times out of service, and gives it another chance at a reload", async () => {
    const machines = [labMachine(2, 1, { deadBoards: [[1, 0, 0]] })]
    const { port, power, server, events } = startServer({ ...config(), machines })
    const client = await LineClient.connect(port)
    for (let failure = 0; failure < 3; failure++) {
      await client.ask("create_job", [0, 0, 0], owner)
      await until(() => power.waiting.length === 1, "the power-on")
      power.settle({ kind: "failed", detail: "board 0 is dark", boards: [0] })
      await until(() => power.waiting.length === 1, "the power-off")
      power.settle()
    }
    const deadBoards = async () =>
      ((await client.ask("list_machines")) as { return: { dead_boards: unknown[] }[] }).return[0]!.dead_boards
    expect((await deadBoards()).map(String).sort()).toEqual(["0,0,0", "1,0,0"])
    expect(events).toContainEqual(expect.objectContaining({ type: "board-out-of-service" }))
    server.reload({ ...config(), machines })
    expect(await deadBoards()).toEqual([[1, 0, 0]])
    expect(events).toContainEqual(expect.objectContaining({ type: "board-back", board: [0, 0, 0] }))
  })

  test("takes a client's parting for no reason to end its jobs", async () => {
    const { port, server } = startServer(config())
    const first = await LineClient.connect(port)
    await first.ask("create_job", [], owner)
    first.peer.end()
    await until(() => server.clientCount === 0, "the parting")
    const second = await LineClient.connect(port)
    expect(await second.ask("get_job_state", [1])).toMatchObject({ return: { state: 2 } })
  })

  test.each([
    ["not json at all\n", "not-json"],
    ["[1, 2]\n", "not-an-object"],
    ["\u0000\u0001\u0002\n", "not-json"],
  ])("parts from a client that sends %j and serves the others", async (text, reason) => {
    const { port, server, events } = startServer(config())
    const [bad, good] = [await LineClient.connect(port), await LineClient.connect(port)]
    bad.sendText(text)
    await until(() => bad.peer.closed || bad.peer.ended, "the parting")
    expect(Object.fromEntries(server.parted)).toEqual({ [reason]: 1 })
    expect(events).toContainEqual(expect.objectContaining({ type: "client-refused", reason, total: 1 }))
    expect(await good.ask("version")).toEqual({ return: "1.0.0" })
  })

  test("parts from a client whose line is 10 MB long, and keeps none of it", async () => {
    const { port, server } = startServer(config())
    const [bad, good] = [await RawPeer.connect(port), await LineClient.connect(port)]
    const piece = new Uint8Array(1 << 20).fill(0x61)
    for (let sent = 0; sent < 10; sent++) bad.send(piece)
    await until(() => server.parted.get("line-too-long") === 1, "the parting")
    await until(() => server.heldBytes === 0, "its bytes to be forgotten")
    expect(await good.ask("version")).toEqual({ return: "1.0.0" })
  })

  test("parts from a client that does not finish its line", async () => {
    const clock = new FakeClock()
    const { port, server } = startServer(config(), clock)
    const [slow, idle] = [await LineClient.connect(port), await LineClient.connect(port)]
    slow.sendText('{"command": "ver')
    await until(() => server.heldBytes > 0, "half a line")
    clock.advance(LINE_DEADLINE_MS - 2000)
    expect(server.clientCount).toBe(2)
    clock.advance(3000)
    expect(server.clientCount).toBe(1)
    expect(server.parted.get("line-unfinished")).toBe(1)
    // One that says nothing at all is kept: clients wait for notifications for days.
    clock.advance(1_000_000)
    expect(await idle.ask("version")).toEqual({ return: "1.0.0" })
  })

  test("does not read from a client that does not read, and in the end parts from it", async () => {
    const clock = new FakeClock()
    const { port, server, controller } = startServer(config({ maxJobsPerHost: 10_000 }), clock)
    const good = await LineClient.connect(port)
    for (let job = 0; job < 200; job++) good.send("create_job", [], { ...owner, tags: ["none"], keepalive: null })
    await until(() => good.replies.length === 200, "the jobs")
    for (let job = 0; job < 300; job++) good.send("create_job", [], { ...owner, keepalive: null })
    await until(() => good.replies.length === 500, "more jobs")
    const deaf = await RawPeer.connect(port)
    deaf.socket.pause()
    const request = new TextEncoder().encode('{"command":"list_jobs","args":[],"kwargs":{}}\n'.repeat(2000))
    deaf.send(request)
    const reply = JSON.stringify(controller.listJobs()).length
    await until(() => server.heldBytes > HIGH_WATER_BYTES, "replies that wait")
    // Two thousand replies would be a hundred megabytes.
    const most = request.length + HIGH_WATER_BYTES + 65 * reply
    for (let look = 0; look < 20; look++) {
      expect(await good.ask("version")).toEqual({ return: "1.0.0" })
      expect(server.heldBytes).toBeLessThan(most)
    }
    clock.advance(READ_DEADLINE_MS + 2000)
    expect(server.parted.get("not-reading")).toBe(1)
    await until(() => server.heldBytes === 0, "the end of the last reply's turn")
  })

  test("keeps one set of ids for a subscriber that does not read, and tells it all when it does", async () => {
    const { port, server, power } = startServer(config({ maxJobsPerHost: 10_000 }))
    const slow = await LineClient.connect(port)
    const other = await LineClient.connect(port)
    await slow.ask("notify_job")
    slow.peer.socket.pause()
    for (let round = 0; round < 20; round++) {
      for (let job = 0; job < 50; job++) other.send("create_job", [99], owner)
      await until(() => other.replies.length === 50 * (round + 1), "the jobs")
    }
    expect(server.heldBytes).toBeLessThan(HIGH_WATER_BYTES * 2)
    slow.peer.socket.resume()
    const told = (): Set<number> =>
      new Set((slow.notifications as { jobs_changed: number[] }[]).flatMap(({ jobs_changed }) => jobs_changed))
    await until(() => told().size === 1000, "all the news")
    expect(power.waiting).toHaveLength(0)
  })

  test("refuses in words who is not allowed and who has too many connections", async () => {
    const closed = startServer(config({ allow: ["192.0.2.0/24"] }))
    const stranger = await LineClient.connect(closed.port)
    await until(() => stranger.peer.closed || stranger.peer.ended, "the parting")
    expect(stranger.lines).toEqual([{ exception: expect.stringContaining("127.0.0.1 is not among the addresses") }])
    const narrow = startServer(config({ maxConnectionsPerHost: 2 }))
    const first = await LineClient.connect(narrow.port)
    await LineClient.connect(narrow.port)
    await first.ask("version")
    const third = await LineClient.connect(narrow.port)
    await until(() => third.peer.closed || third.peer.ended, "the parting")
    expect(third.lines).toEqual([{ exception: expect.stringContaining("max-connections-per-host is 2") }])
    first.peer.end()
    await until(() => narrow.server.clientCount === 1, "room")
    const fourth = await LineClient.connect(narrow.port)
    expect(await fourth.ask("version")).toEqual({ return: "1.0.0" })
  })

  test("looks at keepalives by its clock, and tells who watches", async () => {
    const clock = new FakeClock()
    const { port } = startServer(config(), clock)
    const client = await LineClient.connect(port)
    await client.ask("create_job", [], { ...owner, keepalive: 10 })
    await client.ask("notify_job", [1])
    clock.advance(9_000)
    await client.ask("job_keepalive", [1])
    clock.advance(9_000)
    expect(await client.ask("list_jobs")).toMatchObject({ return: [{ job_id: 1 }] })
    clock.advance(6_000)
    await until(() => client.notifications.length === 1, "the end of the job")
    expect(await client.ask("get_job_state", [1])).toMatchObject({ return: { state: 4, reason: "Job timed out." } })
  })

  test("looks as often as a new configuration says", async () => {
    const clock = new FakeClock()
    const { port, server } = startServer(config(), clock)
    const client = await LineClient.connect(port)
    server.reload(config({ timeoutCheckIntervalS: 0.5 }))
    await client.ask("create_job", [], { ...owner, keepalive: 1 })
    await client.ask("notify_job", [1])
    clock.advance(1_500)
    await until(() => client.notifications.length === 1, "the end of the job")
  })
})
