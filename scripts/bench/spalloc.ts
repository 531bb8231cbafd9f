/**
 * `bun scripts/bench/spalloc.ts`: how fast the spalloc server is, beside a bare echo of JSON lines in the same run.
 *
 *   --clients N   connected clients (1000)      --rate N     read commands a second of each (20)
 *   --seconds N   of each measurement (5)       --runs N     alternating runs of the saturation (3)
 */
import { mkdtemp, rm } from "node:fs/promises"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { type Child, startChild } from "../lib/child.ts"
import { heading, megabytes } from "../lib/say.ts"
import { residentBytes } from "./process-memory.ts"

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "1000" },
    rate: { type: "string", default: "20" },
    seconds: { type: "string", default: "5" },
    runs: { type: "string", default: "3" },
  },
})
const [clientCount, rate, seconds, runs] = [values.clients, values.rate, values.seconds, values.runs].map(Number) as [
  number,
  number,
  number,
  number,
]

/** The reads that a lab's clients do most, in turn. */
const READS = ["get_job_state", "get_job_machine_info", "job_keepalive", "version", "list_machines"]
const NEWLINE = 0x0a

/** A connection that counts lines; `onLine` hears of each with its first bytes. */
class Client {
  waiting: number[] = []
  latencies: number[] = []
  onNotification: () => void = () => {}
  onReply: (line: string) => void = () => {}
  #rest: Uint8Array = new Uint8Array(0)

  private constructor(private readonly write: (text: string) => void) {}

  static async connect(port: number): Promise<Client> {
    const holder: { client?: Client } = {}
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (_socket, chunk) => holder.client?.took(chunk),
        error(_socket, error) {
          throw error
        },
      },
    })
    socket.setNoDelay(true)
    holder.client = new Client((text) => void socket.write(text))
    return holder.client
  }

  send(command: string, args: unknown[] = [], kwargs: object = {}): void {
    this.waiting.push(performance.now())
    this.write(`${JSON.stringify({ command, args, kwargs })}\n`)
  }

  ask(command: string, args: unknown[] = [], kwargs: object = {}): Promise<string> {
    return new Promise((resolve) => {
      this.onReply = resolve
      this.send(command, args, kwargs)
    })
  }

  took(chunk: Uint8Array): void {
    const now = performance.now()
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let start = 0
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      // {"return" or {"exception", against {"jobs_changed" and {"machines_changed".
      const isReply = bytes[start + 2] === 0x72 || bytes[start + 2] === 0x65
      if (isReply) {
        this.latencies.push(now - this.waiting.shift()!)
        this.onReply(Buffer.from(bytes.subarray(start, end)).toString())
      } else this.onNotification()
      start = end + 1
    }
    this.#rest = bytes.slice(start)
  }
}

interface Server {
  readonly child: Child
  readonly port: number
}

async function start(what: string, folder: string): Promise<Server> {
  const child = startChild([process.execPath, join(import.meta.dir, "spalloc-server.ts"), what, folder])
  const [line] = await child.waitForLine(/^\{.*\}$/, undefined, "stdout")
  return { child, port: JSON.parse(line).port }
}

async function connectAll(port: number, count: number): Promise<Client[]> {
  const clients: Client[] = []
  for (let at = 0; at < count; at += 50) {
    clients.push(...(await Promise.all(Array.from({ length: Math.min(50, count - at) }, () => Client.connect(port)))))
  }
  return clients
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
const ms = (value: number): string => `${value.toFixed(2)} ms`

/** Sends at a fixed rate, whether or not answers come, and tells how long they took. */
async function atRate(name: string, clients: readonly Client[], jobs: number): Promise<void> {
  for (const client of clients) client.latencies = []
  const total = clients.length * rate * seconds
  const begun = performance.now()
  let sent = 0
  while (sent < total) {
    const due = Math.min(total, Math.floor(((performance.now() - begun) / 1000) * clients.length * rate))
    for (; sent < due; sent++) clients[sent % clients.length]!.send(READS[sent % READS.length]!, argsOf(sent, jobs))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  while (clients.some(({ waiting }) => waiting.length > 0)) await Bun.sleep(1)
  const tookMs = performance.now() - begun
  const all = clients.flatMap(({ latencies }) => latencies).sort((a, b) => a - b)
  console.log(
    `${name}: ${Math.round((all.length / tookMs) * 1000)} answers a second: p50 ${ms(percentile(all, 0.5))}, ` +
      `p99 ${ms(percentile(all, 0.99))}, most ${ms(all.at(-1)!)}`,
  )
}

function argsOf(at: number, jobs: number): unknown[] {
  return at % READS.length < 3 ? [1 + (at % jobs)] : []
}

/** Every client has one command under way, always: answers a second. */
async function saturate(clients: readonly Client[], jobs: number): Promise<number> {
  let answered = 0
  let stopped = false
  for (const [index, client] of clients.entries()) {
    let turn = index
    const next = (): void => {
      client.send(READS[turn % READS.length]!, argsOf(turn, jobs))
      turn++
    }
    client.onReply = () => {
      answered++
      if (!stopped) next()
    }
    next()
  }
  const begun = performance.now()
  await Bun.sleep(seconds * 1000)
  const result = (answered / (performance.now() - begun)) * 1000
  stopped = true
  while (clients.some(({ waiting }) => waiting.length > 0)) await Bun.sleep(1)
  for (const client of clients) client.onReply = () => {}
  return result
}

/** Jobs created and destroyed again by 10 clients as fast as they are answered. */
async function churn(port: number): Promise<void> {
  const clients = await connectAll(port, 10)
  let done = 0
  const until = performance.now() + seconds * 1000
  const shapes = [[1], [3], [2, 2], [1, 1], [7]]
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < until) {
        const { return: id } = JSON.parse(await client.ask("create_job", shapes[done % 5], { owner: "bench" }))
        await client.ask("destroy_job", [id])
        done++
      }
    }),
  )
  const latencies = clients.flatMap((client) => client.latencies).sort((a, b) => a - b)
  console.log(
    `${Math.round(done / seconds)} jobs a second created and destroyed; an answer takes p50 ` +
      `${ms(percentile(latencies, 0.5))}, p99 ${ms(percentile(latencies, 0.99))}`,
  )
}

/** From a command until the last of all subscribers has heard of it. */
async function notify(clients: readonly Client[]): Promise<void> {
  for (const client of clients) await client.ask("notify_job")
  const took: number[] = []
  for (let round = 0; round < 20; round++) {
    let heard = 0
    const begun = performance.now()
    const all = new Promise<void>((resolve) => {
      for (const client of clients) {
        client.onNotification = () => {
          client.onNotification = () => {}
          if (++heard === clients.length) resolve()
        }
      }
    })
    const [first] = clients
    const { return: id } = JSON.parse(await first!.ask("create_job", [9999], { owner: "bench" }))
    await all
    took.push(performance.now() - begun)
    await first!.ask("destroy_job", [id])
    await Bun.sleep(20)
  }
  for (const client of clients) await client.ask("no_notify_job")
  took.sort((a, b) => a - b)
  console.log(
    `${clients.length} subscribers heard of a change in p50 ${ms(percentile(took, 0.5))}, most ${ms(took.at(-1)!)}`,
  )
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "spalloc-bench-"))
  console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? "unknown"}, Bun ${Bun.version}`)
  try {
    const ours = await start("spalloc", folder)
    const echo = await start("echo", folder)
    const clients = await connectAll(ours.port, clientCount)
    const jobs = 200
    for (let job = 0; job < jobs; job++) await clients[0]!.ask("create_job", [1], { owner: "bench", keepalive: null })
    clients[0]!.onReply = () => {}
    heading(`${clientCount} clients, ${rate} read commands a second each, ${jobs} jobs`)
    const echoClients = await connectAll(echo.port, clientCount)
    for (let run = 1; run <= runs; run++) {
      await atRate("spalloc", clients, jobs)
      await atRate("echo   ", echoClients, jobs)
    }
    heading(`saturation: ${clientCount} clients, one command under way each`)
    for (let run = 1; run <= runs; run++) {
      const [bare, full] = [await saturate(echoClients, jobs), await saturate(clients, jobs)]
      console.log(
        `run ${run}: spalloc ${Math.round(full)}/s, echo ${Math.round(bare)}/s: ${(full / bare).toFixed(2)} of it`,
      )
    }
    heading("notification")
    await notify(clients)
    heading("jobs on a machine of 20x20 triads, each command on disk before it is answered")
    await churn(ours.port)
    const bytes = await residentBytes(ours.child.pid)
    if (bytes !== undefined) console.log(`\nresident memory of the server: ${megabytes(bytes)}`)
    await ours.child.stop()
    await echo.child.stop()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

await main()
process.exit()
