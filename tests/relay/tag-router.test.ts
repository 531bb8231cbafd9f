/** Who holds which tag. The property: whatever happens in whatever order, nobody gets what is somebody else's. */
import { describe, expect, test } from "bun:test"
import type { IptagRequest } from "../../src/protocol/iptag.ts"
import { TAGS, type TagRequest } from "../../src/relay/tag-request.ts"
import { EXPIRY_SLACK_MS, PENDING_LIMIT, type TagAction, TagRouter } from "../../src/relay/tag-router.ts"
import { type Random, seededRandom } from "../../src/transport/random.ts"
import { integer } from "../support/fuzz.ts"
import { iptag } from "../support/tag-program.ts"

const request = (
  kind: TagRequest["kind"],
  sequence: number,
  tag = 1,
  change: Partial<IptagRequest> = {},
): TagRequest => ({ kind, sequence, tag, count: 1, chip: 0, asked: iptag({ tag, port: 4000, ...change }) })

const types = (actions: readonly TagAction[]): string[] => actions.map(({ type }) => type)

describe("a tag", () => {
  test("is its setter's from the board's OK on, on a path of its own", () => {
    const router = new TagRouter()
    const { path, actions } = router.ask(1, request("set", 7), 0)
    expect(types(actions)).toEqual(["open"])
    expect(router.heldBy(1)).toEqual([])
    router.answered(1, 7, true, 1, 0)
    expect(router.heldBy(1)).toEqual([1])
    expect(router.ownerOf(path!)).toMatchObject({ flow: 1, tag: 1 })
  })

  test("asked for twice with one number, as a repeat is, has one path", () => {
    const router = new TagRouter()
    const first = router.ask(1, request("set", 7), 0)
    const again = router.ask(1, request("set", 7), 500)
    expect(again).toEqual({ path: first.path, actions: [] })
  })

  test("set again by its holder keeps its path; made a reverse tag it gets another", () => {
    const router = new TagRouter()
    const { path } = router.ask(1, request("set", 1), 0)
    router.answered(1, 1, true, 1, 0)
    expect(router.ask(1, request("set", 2, 1, { port: 5000 }), 0).path).toBe(path)
    router.answered(1, 2, true, 1, 0)
    expect(router.ask(1, request("set", 3, 1, { reverse: true, port: 12345 }), 0).path).not.toBe(path)
    expect(types(router.answered(1, 3, true, 1, 0).actions)).toEqual(["close", "taken"])
    expect(router.pathInto(1, 1)).toBeDefined()
  })

  test("set by another is the later one's: the earlier path closes and its flow is named", () => {
    const router = new TagRouter()
    const first = router.ask(1, request("set", 1), 0)
    router.answered(1, 1, true, 1, 0)
    const second = router.ask(2, request("set", 1), 0)
    const { actions } = router.answered(2, 1, true, 1, 0)
    expect(actions).toEqual([
      { type: "close", path: first.path! },
      { type: "taken", tag: 1, by: 2, from: 1 },
    ])
    expect(router.ownerOf(first.path!)).toBeUndefined()
    expect(router.ownerOf(second.path!)?.flow).toBe(2)
    expect(router.closed(1)).toEqual([])
  })

  test("refused by the board, or NEW where there is none, leaves nothing", () => {
    const router = new TagRouter()
    router.ask(1, request("set", 1), 0)
    expect(types(router.answered(1, 1, false, undefined, 0).actions)).toEqual(["close"])
    router.ask(1, request("new", 2), 0)
    expect(types(router.answered(1, 2, true, 255, 0).actions)).toEqual(["close"])
    expect(router.heldBy(1)).toEqual([])
  })

  test("of NEW is the one that the board names", () => {
    const router = new TagRouter()
    const { path } = router.ask(1, request("new", 1, 0), 0)
    expect(router.ownerOf(path!)?.tag).toBeUndefined()
    router.answered(1, 1, true, 9, 0)
    expect(router.ownerOf(path!)?.tag).toBe(9)
  })

  test("cleared is nobody's, and somebody else's clearing is told", () => {
    const router = new TagRouter()
    router.ask(1, request("set", 1), 0)
    router.answered(1, 1, true, 1, 0)
    router.ask(2, request("clear", 1), 0)
    expect(router.answered(2, 1, true, undefined, 0).actions).toEqual([
      { type: "close", path: 1 },
      { type: "cleared", tag: 1, by: 2, from: 1 },
    ])
  })

  test("with a life ends with it, a little late", () => {
    const router = new TagRouter()
    router.ask(1, request("set", 1, 1, { timeoutCode: 8 }), 0)
    router.answered(1, 1, true, 1, 100)
    expect(router.deadline).toBe(100 + 1_280 + EXPIRY_SLACK_MS)
    expect(router.expire(router.deadline - 1)).toEqual([])
    expect(types(router.expire(router.deadline))).toEqual(["close"])
    expect(router.deadline).toBe(Number.POSITIVE_INFINITY)
  })
})

describe("a flow that ends", () => {
  test("has its tags cleared at the board, their paths deaf at once", () => {
    const router = new TagRouter()
    const { path } = router.ask(1, request("set", 1), 0)
    router.answered(1, 1, true, 1, 0)
    expect(router.closed(1)).toEqual([{ type: "clear", tag: 1, chip: 0, path: path! }])
    expect(router.ownerOf(path!)).toBeUndefined()
  })

  test("has cleared what the board may have set without an answer; a NEW's path waits", () => {
    const router = new TagRouter()
    router.ask(1, request("set", 1), 0)
    router.ask(1, request("new", 2), 0)
    expect(types(router.closed(1))).toEqual(["clear", "linger"])
  })

  test("does not clear a tag that another holds", () => {
    const router = new TagRouter()
    router.ask(2, request("set", 1), 0)
    router.answered(2, 1, true, 1, 0)
    router.ask(1, request("set", 1), 0)
    expect(types(router.closed(1))).toEqual(["linger"])
    expect(router.heldBy(2)).toEqual([1])
  })
})

test("requests that never have an answer are forgotten, the oldest first", () => {
  const router = new TagRouter()
  let opened = 0
  let left = 0
  for (let sequence = 0; sequence < 10 * PENDING_LIMIT; sequence++) {
    for (const { type } of router.ask(1, request("new", sequence), 0).actions) {
      if (type === "open") opened++
      if (type === "linger") left++
    }
  }
  expect(opened - left).toBe(PENDING_LIMIT)
})

/** A board's tag table and the system's UDP ports, as far as it matters who gets what. */
class World {
  readonly router = new TagRouter()
  /** What the board does by each tag: the port that it sends to, and for whom the tag was set. */
  readonly table = new Map<number, { port: number; setFor: number; until: number }>()
  /** Open ports, the lowest free one given first, so that they are used again soon. */
  readonly ports = new Map<number, number>()
  readonly clearing: { tag: number; path: number }[] = []
  /** Requests and answers under way. */
  readonly toBoard: { flow: number; request: TagRequest; path: number | undefined }[] = []
  readonly toRelay: { flow: number; sequence: number; ok: boolean; tag: number | undefined }[] = []
  now = 0
  delivered = 0
  strays = 0

  act(actions: readonly TagAction[]): void {
    for (const action of actions) {
      switch (action.type) {
        case "open": {
          let port = 1
          while ([...this.ports.values()].includes(port)) port++
          this.ports.set(action.path, port)
          break
        }
        case "close":
          this.ports.delete(action.path)
          break
        case "clear":
          this.clearing.push(action)
          break
        case "linger":
          // For a minute; nothing here lasts so long.
          break
        case "taken":
          // Not cleared any more; their ports stay shut for a minute, too.
          this.clearing.splice(0, this.clearing.length, ...this.clearing.filter(({ tag }) => tag !== action.tag))
          break
        case "cleared":
          break
      }
    }
  }

  gone(clearing: { tag: number; path: number }): void {
    this.clearing.splice(this.clearing.indexOf(clearing), 1)
    this.ports.delete(clearing.path)
  }

  ask(flow: number, asked: TagRequest): void {
    const { path, actions } = this.router.ask(flow, asked, this.now)
    this.act(actions)
    this.toBoard.push({ flow, request: asked, path })
  }

  /** The board executes the oldest request, unless the network loses it. */
  execute(lost: boolean): void {
    const next = this.toBoard.shift()
    if (!next || lost) return
    const { flow, request, path } = next
    let { tag } = request
    if (request.kind === "new") {
      tag = 8
      while (this.table.has(tag) && tag < TAGS) tag++
    }
    if (path !== undefined && tag < TAGS) {
      const port = this.ports.get(path)
      // A path that has been closed since had an answer before: this is a late repeat, which the guard does not send.
      if (port === undefined) return
      const { timeoutCode } = request.asked
      const until = timeoutCode === 0 ? Number.POSITIVE_INFINITY : this.now + 10 * 2 ** (timeoutCode - 1)
      this.table.set(tag, { port, setFor: flow, until })
    }
    if (request.kind === "clear") this.table.delete(tag)
    this.toRelay.push({ flow, sequence: request.sequence, ok: true, tag: tag < TAGS ? tag : 255 })
  }

  answer(lost: boolean): void {
    const next = this.toRelay.shift()
    if (!next || lost) return
    this.act(this.router.answered(next.flow, next.sequence, next.ok, next.tag, this.now).actions)
  }

  /** The board sends by every tag it has. */
  traffic(): void {
    for (const [tag, { port, setFor, until }] of this.table) {
      if (until <= this.now) {
        this.table.delete(tag)
        continue
      }
      const path = [...this.ports].find(([, open]) => open === port)?.[0]
      const owner = path === undefined ? undefined : this.router.ownerOf(path)
      if (!owner || owner.tag === undefined) this.strays++
      else if (owner.flow !== setFor) throw new Error(`tag ${tag}: set for ${setFor}, came to ${owner.flow}`)
      else this.delivered++
    }
  }
}

/** One thing that happens. Flow ids are never used again, as in the relay. */
function step(world: World, random: Random, flows: number[], sequence: number): void {
  const who = integer(random, 0, 2)
  const flow = flows[who]!
  const timeoutCode = random() < 0.3 ? integer(random, 1, 8) : 0
  const tag = integer(random, 0, 4)
  switch (integer(random, 0, 9)) {
    case 0:
    case 1:
      world.ask(flow, request("set", sequence, tag, { timeoutCode }))
      break
    case 2:
      world.ask(flow, request("new", sequence, 0, { timeoutCode }))
      break
    case 3:
      world.ask(flow, request("clear", sequence, random() < 0.2 ? integer(random, 8, 15) : tag))
      break
    case 4:
      world.execute(random() < 0.1)
      break
    case 5:
      world.answer(random() < 0.1)
      break
    case 6:
      world.traffic()
      break
    case 7: {
      const next = world.clearing[0]
      if (!next) break
      // The relay's own CLR: the board executes it, or it is lost and tried again later.
      if (random() < 0.8) {
        world.table.delete(next.tag)
        world.gone(next)
      }
      break
    }
    case 8:
      world.now += integer(random, 0, 800)
      world.act(world.router.expire(world.now))
      break
    default:
      if (random() < 0.7) break
      world.act(world.router.closed(flow))
      flows[who] = Math.max(...flows) + 1
  }
  world.traffic()
}

test("whatever three programs do, and whatever is lost, nobody receives what is not theirs", () => {
  let delivered = 0
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed)
    const world = new World()
    const flows = [1, 2, 3]
    for (let at = 0; at < 250; at++) step(world, random, flows, at)
    delivered += world.delivered
  }
  expect(delivered).toBeGreaterThan(10_000)
}, 20_000)

test("when all programs have gone, no path is left but those that wait for the board", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seededRandom(seed)
    const world = new World()
    const flows = [1, 2, 3]
    for (let at = 0; at < 200; at++) step(world, random, flows, at)
    for (const flow of flows) world.act(world.router.closed(flow))
    for (let path = 1; path < 1_000; path++) expect(world.router.ownerOf(path)).toBeUndefined()
    expect(world.router.deadline).toBe(Number.POSITIVE_INFINITY)
  }
})
