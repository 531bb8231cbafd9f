import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Command } from "../../src/cli/command.ts"
import { inviteCommand } from "../../src/cli/invite.ts"
import { describeKeys, invitesCommand } from "../../src/cli/invites.ts"
import { kickCommand } from "../../src/cli/kick.ts"
import { ownKeys } from "../../src/cli/own-keys.ts"
import { reloadCommand } from "../../src/cli/reload.ts"
import { revokeCommand } from "../../src/cli/revoke.ts"
import { statusCommand } from "../../src/cli/status.ts"
import type { StatusReport } from "../../src/observe/status.ts"
import { decodeTicket, type Ticket } from "../../src/protocol/ticket.ts"
import { ControlError, type ControlHandlers, controlAnswers } from "../../src/relay/control.ts"
import { keyControl } from "../../src/relay/key-control.ts"
import { systemClock } from "../../src/transport/clock.ts"
import { ControlListener } from "../../src/transport/control-listener.ts"
import { CliRun, runCli } from "./run-cli.ts"

const scratch = mkdtempSync(join(tmpdir(), "control-commands-"))
let data = ""
let made = 0
const closers: (() => void)[] = []
beforeEach(() => {
  data = join(scratch, `${++made}`)
})
afterEach(() => {
  for (const close of closers.splice(0)) close()
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const STATUS: StatusReport = {
  ...{ version: "0.1.0", name: "pi", pid: 1, uptimeMs: 1000, listening: [], legacy: [] },
  ...{ boards: [], sessions: [], strangers: 0, drops: {}, refusals: {} },
}

const run = (command: Command, ...args: string[]) => runCli(command, ...args, "--data", data)

/** A server's end of things in this process: the folder is its own, and it answers. */
async function serve(change: Partial<ControlHandlers> = {}) {
  const controlAddress = join(data, "control.sock")
  const directory = { path: data, keysFile: join(data, "keys.json"), serversFile: "", controlAddress }
  const own = await ownKeys(directory, systemClock)
  const keys = keyControl(own.keys, {
    serverName: () => "pi",
    boards: () => ["board-a"],
    addresses: () => [{ host: "pi.local", port: 443 }],
    port: () => 443,
    onRevoked: () => 1,
  })
  const handlers: ControlHandlers = {
    ...keys,
    status: () => STATUS,
    kick: () => ({ sessions: 0, boards: [] }),
    reload: () => Promise.resolve({ changes: [] }),
    ...change,
  }
  const onRequest = controlAnswers(handlers, systemClock)
  const listener = new ControlListener({ address: controlAddress, clock: systemClock, onRequest })
  closers.push(() => {
    listener.close()
    own.release()
  })
}

function ticketOf(line: string): Ticket {
  const read = decodeTicket(line)
  if (!read.ok) throw new Error(read.text)
  return read.ticket
}

describe("beside a server that runs", () => {
  test("invite prints the server's ticket alone on standard output, and what to do with it beside", async () => {
    await serve()
    const { exit, stdout, stderr } = await run(inviteCommand, "alice", "--boards", "board-a", "--expires", "7d")
    expect(exit).toBe(0)
    expect(stdout).toMatch(/^spin1-[a-z2-7]+\n$/)
    expect(ticketOf(stdout)).toMatchObject({ serverName: "pi", addresses: [{ host: "pi.local", port: 443 }] })
    expect(stderr).toContain("A ticket for alice to pi, for one machine, until 20")
    expect(stderr).toContain("(7 d).\nIt leads to pi.local:443.\n")
    expect(stderr).not.toContain("No server runs")
    expect(stderr).not.toContain(stdout.trim())
  })

  test("invite names the hosts that it is given", async () => {
    await serve()
    const { stdout } = await run(inviteCommand, "alice", "--host", "relay.example", "--host", "[2001:db8::1]:80")
    expect(ticketOf(stdout).addresses).toEqual([
      { host: "relay.example", port: 443 },
      { host: "2001:db8::1", port: 80 },
    ])
  })

  test("what the server refuses is one line", async () => {
    await serve({
      reload: () => Promise.reject(new ControlError('/etc/relay.toml:3:8: boards.type is "spin4": expected "spin5"')),
    })
    expect(await run(inviteCommand, "alice", "--boards", "board-x")).toEqual({
      exit: 1,
      stdout: "",
      stderr: "spinnaker-relay: there is no board called board-x: did you mean board-a?\n",
    })
    expect((await run(revokeCommand, "alice")).stderr).toBe(
      "spinnaker-relay: nobody called alice has a key: there is none at all\n",
    )
    expect(await run(kickCommand, "alice")).toMatchObject({
      exit: 1,
      stderr: "spinnaker-relay: alice has no session and no board: spinnaker-relay status lists who has\n",
    })
    expect(await run(reloadCommand)).toMatchObject({
      exit: 1,
      stderr: 'spinnaker-relay: /etc/relay.toml:3:8: boards.type is "spin4": expected "spin5"\n',
    })
  })

  test("revoke, kick and reload say what they have done", async () => {
    await serve({
      kick: () => ({ sessions: 2, boards: ["board-a", "board-b"] }),
      reload: () => Promise.resolve({ changes: ["board-b added (10.0.0.2)", "limits changed"] }),
    })
    await run(inviteCommand, "alice")
    expect(await run(revokeCommand, "alice")).toMatchObject({
      exit: 0,
      stderr: "alice: 1 key taken, 1 session ended\n",
    })
    expect((await run(kickCommand, "alice")).stderr).toBe("alice: 2 sessions ended, board-a, board-b freed\n")
    // Users of the old ports are addresses.
    for (const [typed, user] of Object.entries({ "192.0.2.7": "192.0.2.7", "2001:db8::7": "[2001:db8::7]" })) {
      expect((await run(kickCommand, typed)).stderr).toStartWith(`${user}: 2 sessions ended`)
    }
    expect((await run(reloadCommand)).stderr).toBe("board-b added (10.0.0.2)\nlimits changed\n")
  })

  test("status is a table, or the report itself", async () => {
    await serve()
    expect((await run(statusCommand)).stdout).toContain("pi: spinnaker-relay 0.1.0, up 1 s")
    expect(JSON.parse((await run(statusCommand, "--json")).stdout)).toEqual(STATUS)
  })

  test("status --watch goes on until Ctrl-C, which is no failure", async () => {
    let asked = 0
    const { promise: again, resolve } = Promise.withResolvers<void>()
    await serve({
      status: () => {
        if (++asked === 2) resolve()
        return STATUS
      },
    })
    const watching = new CliRun(statusCommand, ["--watch", "--json", "--data", data])
    await again
    watching.stop()
    expect(await watching.exit).toBe(0)
    expect(JSON.parse(watching.stdout.split("\n")[0]!)).toEqual(STATUS)
  })

  test("a fault of the server is told, not waited out", async () => {
    await serve({ status: () => JSON.parse("{") })
    expect((await run(statusCommand)).stderr).toContain("a fault in the program itself, please report it")
  })
})

describe("where no server runs", () => {
  test("invite writes the key itself and says that a server is wanting", async () => {
    const { exit, stdout, stderr } = await run(inviteCommand, "alice", "--boards", "x", "--host", "pi.local")
    expect(exit).toBe(0)
    expect(stderr).toContain("No server runs here now: the ticket can be used once one does")
    expect(ticketOf(stdout).addresses).toEqual([{ host: "pi.local", port: 17_896 }])
    expect((statSync(join(data, "keys.json")).mode & 0o777).toString(8)).toBe("600")
    await serve()
    const listed = JSON.parse((await run(invitesCommand, "--json")).stdout)
    expect(listed).toMatchObject([{ user: "alice", boards: ["x"], kind: "ticket", id: ticketOf(stdout).keyId }])
  })

  test("invites and revoke know the keys", async () => {
    expect((await run(invitesCommand)).stdout).toBe("Nobody is invited: spinnaker-relay invite NAME prints a ticket.\n")
    await run(inviteCommand, "alice")
    await run(inviteCommand, "bob", "--boards", "board-a")
    const { stdout } = await run(invitesCommand)
    expect(stdout).toMatch(/^USER\s+MACHINE\s+BOARDS\s+SINCE\s+KEY\nalice\s+\(a ticket for .* more\)\s+all\s.*\nbob /)
    expect((await run(revokeCommand, "alice")).stderr).toBe("alice: 1 key taken; no server runs here now\n")
    expect((await run(invitesCommand)).stdout).not.toContain("alice")
  })

  test("status, kick and reload say what to do", async () => {
    for (const [command, ...args] of [
      [statusCommand],
      [statusCommand, "--watch"],
      [kickCommand, "a"],
      [reloadCommand],
    ]) {
      const { exit, stderr } = await run(command as Command, ...(args as string[]))
      expect(exit).toBe(1)
      expect(stderr).toBe(
        `spinnaker-relay: No server runs here with the folder ${data}: start one (spinnaker-relay server BOARD), run this as the user who did, or name its folder with --data DIR.\n`,
      )
    }
  })

  test("a file of keys that others can read is refused with what mends it", async () => {
    await run(inviteCommand, "alice")
    chmodSync(join(data, "keys.json"), 0o644)
    const { exit, stderr } = await run(inviteCommand, "bob")
    expect(exit).toBe(1)
    expect(stderr).toMatch(
      /^spinnaker-relay: .*keys\.json holds secrets and others may read it \(mode 644\): run chmod 600 \S+\n$/,
    )
  })

  test("a damaged file of keys is refused and left as it is", async () => {
    mkdirSync(data)
    writeFileSync(join(data, "keys.json"), "{", { mode: 0o600 })
    const { exit, stderr } = await run(inviteCommand, "bob")
    expect(exit).toBe(1)
    expect(stderr).toContain("is damaged (it is no JSON) and was left as it is")
    expect(await Bun.file(join(data, "keys.json")).text()).toBe("{")
  })

  test("many invitations at once are all kept", async () => {
    const main = join(import.meta.dir, "../../src/main.ts")
    const names = Array.from({ length: 6 }, (_, at) => `user${at}`)
    const runs = names.map((name) =>
      Bun.spawn([process.execPath, main, "invite", name, "--data", data], { stdout: "pipe", stderr: "ignore" }),
    )
    const tickets = await Promise.all(runs.map(({ stdout }) => new Response(stdout).text()))
    expect(await Promise.all(runs.map(({ exited }) => exited))).toEqual(names.map(() => 0))
    const listed: { user: string; id: string }[] = JSON.parse((await run(invitesCommand, "--json")).stdout)
    expect(listed.map(({ user }) => user)).toEqual(names)
    expect(new Set(listed.map(({ id }) => id))).toEqual(new Set(tickets.map((ticket) => ticketOf(ticket).keyId)))
    // Seven processes.
  }, 20_000)
})

describe("a mistake in what is typed", () => {
  const mistakes: [command: Command, args: string[], said: string][] = [
    [inviteCommand, [], "missing name"],
    [inviteCommand, ["a b"], '"a b" cannot be a user\'s name'],
    [inviteCommand, ["alice", "--boards", "a,,b"], '"" cannot be a board\'s name'],
    [inviteCommand, ["alice", "--expires", "tomorrow"], "expected a time such as 30m, 24h or 7d"],
    [inviteCommand, ["alice", "--expires", "31d"], "from 1m to 30d"],
    [inviteCommand, ["alice", "--host", "http://pi"], '--host "http://pi" is not a host name'],
    [revokeCommand, ["-x"], "unknown option -x"],
    [kickCommand, [], "missing name"],
    [statusCommand, ["now"], 'unexpected argument "now"'],
  ]
  test.each(mistakes)("%o %j is told with the usage", async (command, args, said) => {
    const { exit, stderr, stdout } = await run(command, ...args)
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" })
    expect(stderr).toContain(said)
  })
})

test("a machine that has joined is listed by what it calls itself", () => {
  const key = { kind: "device", id: "ab", user: "alice", boards: ["a", "b"], createdAt: 0, device: "laptop" } as const
  expect(describeKeys([key], 1)).toMatch(/^USER\s.*\nalice {2}laptop\s+a,b\s+\d{4}-\d\d-\d\d \d\d:\d\d {2}ab\n$/)
})
