import { expect, test } from "bun:test"
import { ARM } from "../../src/lucidac/arm.ts"
import { encodePing, encodeV1 } from "../../src/lucidac/envelope.ts"
import { encodeFrame } from "../../src/lucidac/frame.ts"
import { encodePayload } from "../../src/lucidac/payload.ts"
import { ConfigCommandSchema, StartRunCommandSchema } from "../../src/lucidac/proto/lucidac_pb.ts"
import { encodeJsonLine } from "../../src/protocol/json-lines.ts"
import { type Random, seededRandom } from "../../src/transport/random.ts"
import { cuts, integer, mutate, randomBytes } from "../support/fuzz.ts"
import { Rig } from "./rig.ts"

/** Something that a client might send, or nearly. */
function message(random: Random): Uint8Array {
  const arms = Object.values(ARM)
  const whole = [
    () => encodeFrame(encodePing()),
    () =>
      encodeFrame(
        encodeV1("id", arms[integer(random, 0, arms.length - 1)]!, randomBytes(random, integer(random, 0, 40))),
      ),
    () => encodeFrame(encodeV1("r", ARM.startRun, encodePayload(StartRunCommandSchema, { run: { id: "some run" } }))),
    () => encodeFrame(encodeV1("c", ARM.config, encodePayload(ConfigCommandSchema, { module: { items: [{}] } }))),
    () => encodeFrame(randomBytes(random, integer(random, 0, 60))),
    () => encodeJsonLine({ id: 1, type: "start_run", msg: { id: null, config: [] } }),
    () => encodeJsonLine({ type: "get_entities", msg: 7 }),
  ]
  const bytes = whole[integer(random, 0, whole.length - 1)]!()
  return random() < 0.5 ? mutate(random, bytes) : bytes
}

for (const kind of ["protobuf", "json"] as const) {
  test(`nothing that clients send to ${kind} devices harms the proxy`, () => {
    const random = seededRandom(11)
    const rig = new Rig(kind === "json" ? { devices: 0, jsonDevices: 2 } : { devices: 2, udp: true })
    rig.clock.advance(5_000)
    for (let round = 0; round < 300; round++) {
      const client = random() < 0.5 ? rig.client() : rig.jsonClient()
      for (let count = integer(random, 1, 6); count > 0; count--) {
        for (const piece of cuts(random, message(random), 30)) client.end.write(piece)
        rig.clock.advance(integer(random, 0, 50))
      }
      if (random() < 0.9) client.leave()
      if (round % 20 === 0) rig.clock.advance(11_000)
    }
    rig.clock.advance(200_000)
    expect(rig.proxy.clientCount).toBe(0)
    if (kind === "json") expect(rig.jsonClient().ask("reset_circuit")?.code).toBe(0)
    else expect(rig.client().ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
  })
}

test("nothing that a device sends harms the proxy, and it is used again", () => {
  const random = seededRandom(12)
  const rig = new Rig({ devices: 1, udp: true, idleMs: 600_000 })
  for (let round = 0; round < 300; round++) {
    const client = rig.client()
    client.start("11111111-2222-3333-4444-555555555555", 20)
    for (let count = integer(random, 0, 5); count > 0; count--) {
      const bytes = encodeV1(random() < 0.5 ? "relay-1" : undefined, integer(random, 300, 318), randomBytes(random, 30))
      if (random() < 0.5) rig.ends[0]?.other.write(mutate(random, encodeFrame(bytes)))
      else rig.inject(0, mutate(random, bytes))
      rig.clock.advance(integer(random, 0, 20))
    }
    client.leave()
    rig.clock.advance(1_500)
  }
  rig.clock.advance(60_000)
  expect(rig.client().ask(ARM.reset)?.arm).toBe(ARM.resetResponse)
})
