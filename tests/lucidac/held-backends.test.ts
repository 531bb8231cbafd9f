import { expect, test } from "bun:test"
import type { Backend } from "../../src/lucidac/backend.ts"
import { HeldBackends } from "../../src/lucidac/held-backends.ts"

function device(name: string, can = true) {
  const said: string[] = []
  const backend = {
    name,
    pause: () => {
      if (can) said.push("pause")
      return can
    },
    resume: () => void said.push("resume"),
  } as unknown as Backend
  return { backend, said }
}

function setup() {
  const told: unknown[] = []
  const held = new HeldBackends({
    client: { name: "client", backlog: 1_234 },
    bufferBytes: () => 1_000,
    onEvent: (event) => told.push(event),
  })
  return { held, told }
}

test("a device is held back once, is told of, and goes on when half the buffer is free", () => {
  const { held, told } = setup()
  const { backend, said } = device("a")
  held.hold(backend)
  held.hold(backend)
  held.progress(501)
  expect({ said, any: held.any }).toEqual({ said: ["pause"], any: true })
  held.progress(500)
  expect({ said, any: held.any }).toEqual({ said: ["pause", "resume"], any: false })
  expect(told).toEqual([{ type: "held-back", client: "client", bytes: 1_234, device: "a" }])
})

test("a device that cannot be held back is not, and one that is gone is not resumed", () => {
  const { held, told } = setup()
  held.hold(device("by UDP", false).backend)
  expect({ any: held.any, told }).toEqual({ any: false, told: [] })
  const { backend, said } = device("gone")
  held.hold(backend)
  held.forget(backend)
  held.release()
  expect(said).toEqual(["pause"])
})
