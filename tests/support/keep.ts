/** Things that live until the end of a test. */
import { afterEach } from "bun:test"

const kept: Disposable[] = []

afterEach(() => {
  for (const one of kept.splice(0).reverse()) one[Symbol.dispose]()
})

/** Disposes of `one` after the test, the last kept first. */
export function keep<T extends Disposable>(one: T): T {
  kept.push(one)
  return one
}
