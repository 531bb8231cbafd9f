/**
 * Which triads of a machine are free: a binary tree of regions, each whole or cut in two. Source: the spalloc facts §11,
 * with one thing more: where no corner of a free region suits, the places between are tried too.
 */
import type { Size } from "./shapes.ts"

/** A rectangle of triads. */
export interface Rectangle extends Size {
  readonly x: number
  readonly y: number
}

/** Tells whether a rectangle may be given to whoever asks. */
export type Accepts = (rectangle: Rectangle) => boolean

/** A region: free, used, or cut into two others. */
type Node = Rectangle & {
  state:
    | { readonly kind: "free" }
    | { readonly kind: "used" }
    | { readonly kind: "cut"; readonly parts: readonly [Node, Node] }
}

const FREE = { kind: "free" } as const
const USED = { kind: "used" } as const

/** The free and used triads of one machine. */
export class PackTree {
  #root: Node

  constructor(size: Size) {
    this.#root = leaf({ x: 0, y: 0, ...size })
  }

  /** True when nothing is used: then all of the machine is one region again. */
  get isFree(): boolean {
    return this.#root.state.kind === "free"
  }

  /** Uses a rectangle whose size `sizeIn` picks for each free region that is tried, smaller regions first. */
  allocate(sizeIn: (region: Size) => Size | undefined, accepts: Accepts): Rectangle | undefined {
    return search(this.#root, (region) => {
      const size = sizeIn(region)
      const found = size && firstAccepted(region, size, accepts)
      if (found) carve(region, found)
      return found
    })
  }

  /** Uses the one triad if it is free. */
  request(x: number, y: number): boolean {
    const region = this.#regionAt(x, y)
    if (region?.state.kind !== "free") return false
    carve(region, { x, y, width: 1, height: 1 })
    return true
  }

  /** Frees what was allocated at a left bottom corner; halves that are both free again become one. */
  free(x: number, y: number): void {
    if (!release(this.#root, x, y)) throw new RangeError(`nothing is allocated at triad (${x}, ${y})`)
  }

  /**
   * Uses exactly these rectangles, of which none may overlap another, in place of all that was used before. Any set that
   * ever stood together in such a tree can be cut out of a whole machine again; throws for one that cannot.
   */
  restore(rectangles: readonly Rectangle[]): void {
    const { x, y, width, height } = this.#root
    this.#root = leaf({ x, y, width, height })
    cutOut(this.#root, rectangles)
  }

  #regionAt(x: number, y: number): Node | undefined {
    let node = this.#root
    if (!contains(node, x, y)) return undefined
    while (node.state.kind === "cut") {
      const [first, second] = node.state.parts
      node = contains(first, x, y) ? first : second
    }
    return node
  }
}

function leaf({ x, y, width, height }: Rectangle): Node {
  return { x, y, width, height, state: FREE }
}

function contains(region: Rectangle, x: number, y: number): boolean {
  return x >= region.x && y >= region.y && x < region.x + region.width && y < region.y + region.height
}

/** Calls `tryRegion` for free regions, of two parts the smaller one first, until it finds something. */
function search(node: Node, tryRegion: (region: Node) => Rectangle | undefined): Rectangle | undefined {
  switch (node.state.kind) {
    case "used":
      return undefined
    case "free":
      return tryRegion(node)
    case "cut": {
      const [first, second] = node.state.parts
      const firstIsSmaller = first.width * first.height <= second.width * second.height
      const [smaller, larger] = firstIsSmaller ? [first, second] : [second, first]
      return search(smaller, tryRegion) ?? search(larger, tryRegion)
    }
  }
}

function firstAccepted(region: Rectangle, size: Size, accepts: Accepts): Rectangle | undefined {
  const [spareX, spareY] = [region.width - size.width, region.height - size.height]
  if (spareX < 0 || spareY < 0) return undefined
  const at = (x: number, y: number): Rectangle => ({ x: region.x + x, y: region.y + y, ...size })
  for (const x of spareX > 0 ? [0, spareX] : [0]) {
    for (const y of spareY > 0 ? [0, spareY] : [0]) {
      if (accepts(at(x, y))) return at(x, y)
    }
  }
  for (let x = 0; x <= spareX; x++) {
    for (let y = 0; y <= spareY; y++) {
      const isCorner = (x === 0 || x === spareX) && (y === 0 || y === spareY)
      if (!isCorner && accepts(at(x, y))) return at(x, y)
    }
  }
  return undefined
}

/** Cuts a free region until `wanted` is a part of its own, and uses that; the cuts leave the largest piece whole. */
function carve(region: Node, wanted: Rectangle): void {
  const left = wanted.x - region.x
  const right = region.x + region.width - wanted.x - wanted.width
  const below = wanted.y - region.y
  const above = region.y + region.height - wanted.y - wanted.height
  const most = Math.max(left, right, below, above)
  if (most === 0) {
    region.state = USED
    return
  }
  // Equal spare room is cut off left or right, as the Python servers do.
  if (most === left) carve(cutAtX(region, wanted.x)[1], wanted)
  else if (most === right) carve(cutAtX(region, wanted.x + wanted.width)[0], wanted)
  else if (most === above) carve(cutAtY(region, wanted.y + wanted.height)[0], wanted)
  else carve(cutAtY(region, wanted.y)[1], wanted)
}

function cutAtX(region: Node, x: number): readonly [Node, Node] {
  const width = x - region.x
  const parts = [leaf({ ...region, width }), leaf({ ...region, x, width: region.width - width })] as const
  region.state = { kind: "cut", parts }
  return parts
}

function cutAtY(region: Node, y: number): readonly [Node, Node] {
  const height = y - region.y
  const parts = [leaf({ ...region, height }), leaf({ ...region, y, height: region.height - height })] as const
  region.state = { kind: "cut", parts }
  return parts
}

function release(node: Node, x: number, y: number): boolean {
  switch (node.state.kind) {
    case "free":
      return false
    case "used":
      if (node.x !== x || node.y !== y) return false
      node.state = FREE
      return true
    case "cut": {
      const [first, second] = node.state.parts
      if (!release(contains(first, x, y) ? first : second, x, y)) return false
      if (first.state.kind === "free" && second.state.kind === "free") node.state = FREE
      return true
    }
  }
}

function cutOut(region: Node, rectangles: readonly Rectangle[]): void {
  const [only, second] = rectangles
  if (!only) return
  if (!second && only.width === region.width && only.height === region.height) {
    region.state = USED
    return
  }
  for (const x of edges(region.x, region.x + region.width, rectangles, (one) => [one.x, one.x + one.width])) {
    const [left, right] = [rectangles.filter((one) => one.x < x), rectangles.filter((one) => one.x >= x)]
    if (left.some((one) => one.x + one.width > x)) continue
    const parts = cutAtX(region, x)
    cutOut(parts[0], left)
    cutOut(parts[1], right)
    return
  }
  for (const y of edges(region.y, region.y + region.height, rectangles, (one) => [one.y, one.y + one.height])) {
    const [lower, upper] = [rectangles.filter((one) => one.y < y), rectangles.filter((one) => one.y >= y)]
    if (lower.some((one) => one.y + one.height > y)) continue
    const parts = cutAtY(region, y)
    cutOut(parts[0], lower)
    cutOut(parts[1], upper)
    return
  }
  throw new RangeError(`allocations cannot stand together: ${JSON.stringify(rectangles)}`)
}

/** Where rectangles begin or end strictly inside a span. */
function edges(from: number, to: number, all: readonly Rectangle[], of: (one: Rectangle) => number[]): Set<number> {
  return new Set(all.flatMap(of).filter((edge) => edge > from && edge < to))
}
