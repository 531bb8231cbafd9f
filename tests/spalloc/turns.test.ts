import { expect, test } from "bun:test"
import { Turns } from "../../src/spalloc/turns.ts"
import { FakeClock } from "../support/fake-clock.ts"

const roundOver = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test("work is done in order, as much of it in one time round the loop as its time allows", async () => {
  const clock = new FakeClock()
  const turns = new Turns(clock, 4)
  const done: number[] = []
  for (let number = 0; number < 5; number++) {
    turns.add(() => {
      clock.advance(2.5)
      done.push(number)
    })
  }
  expect(done).toEqual([])
  await roundOver()
  expect(done).toEqual([0, 1])
  await roundOver()
  expect(done).toEqual([0, 1, 2, 3])
  await roundOver()
  expect(done).toEqual([0, 1, 2, 3, 4])
})

test("work that adds itself again lets the loop go round", async () => {
  const turns = new Turns(new FakeClock(), 4)
  let runs = 0
  const again = (): void => {
    runs++
    turns.add(again)
  }
  turns.add(again)
  turns.add(() => runs++)
  await roundOver()
  expect(runs).toBe(2)
  await roundOver()
  expect(runs).toBe(3)
})
