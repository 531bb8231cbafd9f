/** What the spalloc bench measures, as a process: our server over power work that is done at once, or a bare echo of lines. */
import { join } from "node:path"
import { DEFAULT_SETTINGS, type MachineConfig } from "../../src/spalloc/config.ts"
import { Controller } from "../../src/spalloc/controller.ts"
import { SpallocServer } from "../../src/spalloc/server.ts"
import { systemClock } from "../../src/transport/clock.ts"
import { StreamListener } from "../../src/transport/stream-listener.ts"

const [what, folder = ""] = process.argv.slice(2)
const SIDE = 20
const address = { host: "127.0.0.1", port: 0 }

/** 20x20 triads, in frames of 24. */
function machine(): MachineConfig {
  const boards = Array.from({ length: SIDE * SIDE * 3 }, (_, index) => ({
    logical: [Math.floor(index / 3 / SIDE), Math.floor(index / 3) % SIDE, index % 3] as const,
    physical: [0, Math.floor(index / 24), index % 24] as const,
    host: `board-${index}`,
  }))
  const bmps = Array.from({ length: Math.ceil(boards.length / 24) }, (_, frame) => ({
    cabinet: 0,
    frame,
    host: `bmp-${frame}`,
  }))
  return { name: "bench", tags: ["default"], width: SIDE, height: SIDE, deadBoards: [], deadLinks: [], boards, bmps }
}

function startSpalloc(): number {
  const settings = {
    ...DEFAULT_SETTINGS,
    secondsBeforeFree: 0,
    maxConnectionsPerHost: 100_000,
    maxJobsPerHost: 10_000,
  }
  const controller = new Controller({
    config: { settings, machines: [machine()] },
    state: join(folder, "state.sqlite"),
    clock: systemClock,
  })
  const power = {
    run: (_work: unknown, done: (result: { kind: "done" }) => void): void => void setImmediate(done, { kind: "done" }),
  }
  return new SpallocServer({ controller, power, clock: systemClock, onEvent() {}, address }).address.port
}

/** The least that a server of JSON lines can do: read an object, answer with one. */
function startEcho(): number {
  return new StreamListener({
    address,
    onConnection(port) {
      let rest = ""
      return {
        onData(chunk) {
          const lines = (rest + Buffer.from(chunk).toString("utf8")).split("\n")
          rest = lines.pop() ?? ""
          const replies = lines.map((line) => JSON.stringify({ return: JSON.parse(line).command }))
          if (replies.length > 0) port.write(Buffer.from(`${replies.join("\n")}\n`))
        },
        onDrain() {},
        onClose() {},
      }
    },
  }).address.port
}

console.log(JSON.stringify({ port: what === "echo" ? startEcho() : startSpalloc() }))
