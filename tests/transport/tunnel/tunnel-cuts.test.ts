/** The tunnel over a network that fails at any moment, while applications ask and ask again (FULL=1: for longer). */
import { describe, expect, test } from "bun:test"
import { seededRandom } from "../../../src/transport/random.ts"
import { integer, utf8 } from "../../support/fuzz.ts"
import { Middleman } from "../../support/middleman.ts"
import { EchoTunnel, listen } from "../../support/tunnel.ts"
import { until } from "../../support/until.ts"

const FULL = process.env.FULL === "1"

/** Three applications that ask one numbered question after another, and again each 100 ms until it is answered. */
function applications(tunnel: EchoTunnel, port: number) {
  const { carrier, observer, ups } = tunnel.client(tunnel.keys.add("alice"), port)
  const all = ["a", "b", "c"].map((name) => {
    const link = carrier.dialBoard("", "scp")(`127.0.0.1:400${name}`)
    const heard = listen(link)
    const one = { name, heard, answered: 0, stop: () => clearInterval(timer) }
    let seen = 0
    const ask = (): void => link.send(utf8(`${name}${one.answered}`))
    const look = (): void => {
      const before = one.answered
      for (; seen < heard.length; seen++) if (heard[seen] === `${name}${one.answered}`) one.answered++
      if (one.answered > before) ask()
    }
    let turns = 0
    const timer = setInterval(() => (turns++ % 20 === 0 ? ask() : look()), 5)
    return one
  })
  const answered = (): number => Math.min(...all.map((one) => one.answered))
  return { all, observer, ups, answered }
}

describe("a network that fails", () => {
  const seeds = FULL ? [1, 2, 3, 4, 5] : [1]
  test.each(seeds)(
    "ends no flow and takes no answer to another (seed %d)",
    async (seed) => {
      using tunnel = new EchoTunnel()
      using middleman = new Middleman(tunnel.port)
      const { all, answered, observer, ups } = applications(tunnel, middleman.port)
      const random = seededRandom(seed)
      // Silence is noticed after four seconds: what is not told to the client takes that long.
      const ways = [
        "cut",
        "cutNear",
        "cut",
        "cutNear",
        "cut",
        ...(FULL ? (["cutFar", "blackhole"] as const) : []),
      ] as const
      await until(() => answered() > 0, "the first answers")
      for (const way of ways) {
        middleman.delayMs = integer(random, 0, 1) * integer(random, 1, 30)
        const goal = answered() + integer(random, 1, 5)
        await until(() => answered() >= goal, "some answers")
        const before = ups.length
        middleman[way]()
        await until(() => ups.length > before, `the next connection after ${way}`, 10_000)
      }
      const goal = answered() + 5
      await until(() => answered() >= goal, "answers after the last")
      for (const { stop } of all) stop()
      for (const { name, heard } of all) {
        for (const words of heard) expect(words.startsWith(name)).toBe(true)
      }
      expect(tunnel.links).toHaveLength(3)
      expect(tunnel.ends).toEqual([])
      expect(observer.of("tunnel-up").map(({ resumed }) => resumed)).toEqual([false, ...ways.map(() => true)])
      // A server that has just proved itself is worth asking soon, however often the way to it breaks.
      for (const { retryMs } of observer.of("connection-lost")) expect(retryMs).toBeLessThanOrEqual(1_000)
      expect(tunnel.server.sessions.map(({ reconnects }) => reconnects)).toEqual([ways.length])
    },
    60_000,
  )
})
