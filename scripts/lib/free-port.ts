/** Ports for programs that cannot be asked to take port 0 and say what they got. */
import { randomInt } from "node:crypto"

// Below every system's ephemeral range (Linux 32768 up, macOS and Windows 49152 up): a test beside us that binds
// port 0 cannot be given the port between our look and our child's bind.
const LOWEST = 10_240
const HIGHEST = 32_767
/** Processes that run beside each other look in parts of their own: neighbours' numbers differ. */
const PARTS = 32
const PART_PORTS = Math.floor((HIGHEST + 1 - LOWEST) / PARTS)

/** The next port to look at. A port that was given is not given again before all others were: tests run side by side. */
let next = randomInt(PART_PORTS)

function candidate(): number {
  next = (next + 1) % PART_PORTS
  return LOWEST + (process.pid % PARTS) * PART_PORTS + next
}

async function isFree(port: number, host: string): Promise<boolean> {
  try {
    const udp = await Bun.udpSocket({ hostname: host, port, socket: { data() {}, error() {} } })
    try {
      Bun.listen({ hostname: host, port, socket: { data() {} } }).stop(true)
    } finally {
      udp.close()
    }
    return true
  } catch {
    return false
  }
}

/** `count` different ports that are free for UDP and TCP at `host`. Throws Error when 100 tries a port found none. */
export async function freePorts(count: number, host = "127.0.0.1"): Promise<number[]> {
  const found = new Set<number>()
  for (let tries = 0; found.size < count; tries++) {
    if (tries > 100 * count) throw new Error(`Cannot find ${count} free ports at ${host}: tried ${tries}`)
    const port = candidate()
    if (!found.has(port) && (await isFree(port, host))) found.add(port)
  }
  return [...found]
}

/** One port that is free for UDP and TCP at `host`. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  return (await freePorts(1, host))[0]!
}

/** Waits until some program has taken `port` for UDP or TCP. Throws Error after 10 s. */
export async function untilTaken(port: number, host = "127.0.0.1"): Promise<void> {
  const deadline = performance.now() + 10_000
  while (await isFree(port, host)) {
    if (performance.now() > deadline) throw new Error(`Nothing has listened on ${host}:${port} after 10 s`)
    await Bun.sleep(10)
  }
}
