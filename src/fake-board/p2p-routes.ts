/** Which link leads from a chip to every other: the contents of its P2P routing table. */
import type { ChipPlace } from "./machine-shape.ts"
import { LINKS } from "./machine-shape.ts"

/** Table entry of a chip that cannot be reached. */
export const P2P_NONE = 6
/** Table entry of the chip itself. */
export const P2P_SELF = 7

/** Finds the chip at the other end of a working link. */
export type Neighbours = (x: number, y: number, link: number) => ChipPlace | undefined

/** First link of a shortest way from (x, y) to each chip that can be reached, by x << 8 | y. */
export function firstLinks(x: number, y: number, neighbour: Neighbours): Map<number, number> {
  const links = new Map<number, number>([[(x << 8) | y, P2P_SELF]])
  let frontier: { place: ChipPlace; first: number }[] = [{ place: { x, y }, first: P2P_SELF }]
  while (frontier.length > 0) {
    const next: typeof frontier = []
    for (const { place, first } of frontier) {
      for (let link = 0; link < LINKS; link++) {
        const to = neighbour(place.x, place.y, link)
        if (!to || links.has((to.x << 8) | to.y)) continue
        const firstLink = first === P2P_SELF ? link : first
        links.set((to.x << 8) | to.y, firstLink)
        next.push({ place: to, first: firstLink })
      }
    }
    frontier = next
  }
  return links
}
