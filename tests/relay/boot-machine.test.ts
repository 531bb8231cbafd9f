import { expect, test } from "bun:test"
import { encodeBootImage } from "../../src/protocol/boot.ts"
import { BootMachine } from "../../src/relay/boot-machine.ts"
import {
  BOARD_GONE_MS,
  BOOT_AFTERMATH_MS,
  BOOT_GIVEN_UP_MS,
  BOOT_OVERTAKEN_MS,
  BOOT_PATIENCE_MS,
  BOOT_REMEMBERED_MS,
  BOOT_STALLED_MS,
  type BootAction,
  type BootEvent,
} from "../../src/relay/boot-state.ts"

const IMAGE = encodeBootImage(Uint8Array.from({ length: 2600 }, (_, at) => at % 251))
const OTHER = encodeBootImage(Uint8Array.from({ length: 2600 }, (_, at) => at % 241))
const LONGER = encodeBootImage(new Uint8Array(4096).fill(7))
const [START, B0, B1, B2, END] = IMAGE as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array]
const ME = { id: 1, application: "me" }
const YOU = { id: 2, application: "you" }

/** An action in short: a datagram by its name in IMAGE, an event or a drop by its own. */
function short(action: BootAction): string {
  switch (action.do) {
    case "queue": {
      const at = IMAGE.findIndex((datagram) => Buffer.compare(datagram, action.datagram) === 0)
      const name = ["START", "B0", "B1", "B2", "END"][at] ?? "other"
      return action.gapMs === 10 ? name : `${name}@${action.gapMs}`
    }
    case "tell":
      return action.event.type
    case "drop":
      return `-${action.reason}`
    case "probe":
      return action.on ? "probe" : "no probe"
    case "clear":
      return "clear"
  }
}

/** A machine and the time; `step` in short. */
class Driver {
  readonly machine = new BootMachine("board", 10)
  now = 0

  step(event: BootEvent): string[] {
    return this.machine.step(event, this.now).map(short)
  }

  sends(from: typeof ME, ...datagrams: Uint8Array[]): string[] {
    return datagrams.flatMap((datagram) => this.step({ type: "datagram", from, datagram }))
  }

  wait(ms: number): string[] {
    this.now += ms
    return this.step({ type: "time" })
  }

  get kind(): string {
    return this.machine.state.kind
  }
}

const SENT: BootEvent = { type: "sent" }
const BOOTING: BootEvent = { type: "version", version: "SC&MP", booting: true }
const UP: BootEvent = { type: "version", version: "SC&MP", booting: false }

/** How to get into each state. */
const IN = {
  idle: () => new Driver(),
  collecting: () => {
    const driver = new Driver()
    driver.sends(ME, START, B0)
    return driver
  },
  delivering: () => {
    const driver = new Driver()
    driver.sends(ME, ...IMAGE)
    driver.step(SENT)
    return driver
  },
  starting: () => {
    const driver = IN.delivering()
    driver.step(BOOTING)
    return driver
  },
}

const datagram = (from: typeof ME, bytes: Uint8Array): BootEvent => ({ type: "datagram", from, datagram: bytes })
const EVENTS: Record<string, BootEvent> = {
  START: datagram(ME, START),
  "next block": datagram(ME, B1),
  "block again": datagram(ME, B0),
  END: datagram(ME, END),
  "another image": datagram(ME, OTHER[1]!),
  "another START": datagram(ME, LONGER[0]!),
  "another client": datagram(YOU, OTHER[1]!),
  "the same of another client": datagram(YOU, B0),
  nonsense: datagram(ME, new Uint8Array(20)),
  closed: { type: "closed", from: ME },
  sent: SENT,
  booting: BOOTING,
  up: UP,
  time: { type: "time" },
}

/** Every state with every event: the state after it, and what is done. */
const TABLE: Record<keyof typeof IN, Record<keyof typeof EVENTS, [string, string[]]>> = {
  idle: {
    START: ["collecting", ["boot-begun", "START"]],
    "next block": ["collecting", []],
    "block again": ["collecting", []],
    END: ["collecting", []],
    "another image": ["collecting", []],
    "another START": ["collecting", ["boot-begun", "other"]],
    "another client": ["collecting", []],
    "the same of another client": ["collecting", []],
    nonsense: ["idle", ["-malformed"]],
    closed: ["idle", []],
    sent: ["idle", []],
    booting: ["idle", []],
    up: ["idle", []],
    time: ["idle", []],
  },
  collecting: {
    START: ["collecting", ["-boot-repeat"]],
    "next block": ["collecting", ["B1"]],
    "block again": ["collecting", ["-boot-repeat"]],
    END: ["collecting", []],
    "another image": ["collecting", ["clear", "boot-mixed", "START", "other"]],
    "another START": ["collecting", ["clear", "boot-mixed", "boot-begun", "other"]],
    "another client": ["collecting", ["-boot-refused", "boot-refused"]],
    "the same of another client": ["collecting", ["-boot-refused", "boot-refused"]],
    nonsense: ["collecting", ["-malformed"]],
    closed: ["collecting", []],
    sent: ["collecting", []],
    booting: ["collecting", []],
    up: ["collecting", []],
    time: ["collecting", []],
  },
  delivering: {
    START: ["delivering", ["-boot-repeat"]],
    "next block": ["delivering", ["-boot-repeat"]],
    "block again": ["delivering", ["-boot-repeat"]],
    END: ["delivering", ["-boot-repeat"]],
    "another image": ["collecting", ["no probe", "clear", "boot-mixed", "START", "other"]],
    "another START": ["collecting", ["no probe", "clear", "boot-mixed", "boot-begun", "other"]],
    "another client": ["delivering", ["-boot-refused", "boot-refused"]],
    "the same of another client": ["delivering", ["-boot-repeat"]],
    nonsense: ["delivering", ["-malformed"]],
    closed: ["delivering", []],
    sent: ["delivering", ["boot-repeated", "START", "B0", "B1", "B2", "END"]],
    booting: ["starting", ["clear"]],
    up: ["idle", ["clear", "boot-answered", "no probe"]],
    time: ["delivering", []],
  },
  starting: {
    START: ["starting", ["-boot-repeat"]],
    "next block": ["starting", ["-boot-repeat"]],
    "block again": ["starting", ["-boot-repeat"]],
    END: ["starting", ["-boot-repeat"]],
    "another image": ["starting", ["-boot-repeat"]],
    "another START": ["starting", ["-boot-repeat"]],
    "another client": ["starting", ["-boot-refused", "boot-refused"]],
    "the same of another client": ["starting", ["-boot-refused", "boot-refused"]],
    nonsense: ["starting", ["-malformed"]],
    closed: ["starting", []],
    sent: ["starting", []],
    booting: ["starting", ["clear"]],
    up: ["idle", ["clear", "boot-answered", "no probe"]],
    time: ["starting", []],
  },
}

for (const [state, row] of Object.entries(TABLE)) {
  for (const [event, [next, actions]] of Object.entries(row)) {
    test(`${state}, ${event}: ${next}, ${actions.join(" ") || "nothing"}`, () => {
      const driver = IN[state as keyof typeof IN]()
      expect(driver.step(EVENTS[event]!)).toEqual(actions)
      expect(driver.kind).toBe(next)
    })
  }
}

test("a whole boot: passed on, then four quick passes, then slower ones, until the board answers", () => {
  const driver = new Driver()
  expect(driver.sends(ME, ...IMAGE)).toEqual(["boot-begun", "START", "B0", "B1", "B2", "END"])
  expect(driver.step(SENT)).toEqual(["boot-sent", "probe", "boot-repeated", "START", "B0", "B1", "B2", "END"])
  const gaps = []
  for (let pass = 3; pass <= 8; pass++) gaps.push(driver.step(SENT)[1])
  expect(gaps).toEqual(["START", "START", "START@20", "START@50", "START@50", "START@50"])
  driver.step(BOOTING)
  expect(driver.step(SENT)).toEqual([])
  expect(driver.step(UP)).toEqual(["clear", "boot-answered", "no probe"])
})

test("START that blocks have overtaken goes first, END that has overtaken blocks goes last", () => {
  const driver = new Driver()
  expect(driver.sends(ME, B1, END, B0)).toEqual([])
  expect(driver.sends(ME, START)).toEqual(["boot-begun", "START", "B1", "B0"])
  driver.now += BOOT_OVERTAKEN_MS - 1
  // The END came before its START and stays with the attempt.
  expect(driver.sends(ME, B2, END)).toEqual(["B2", "END"])
  expect(driver.kind).toBe("delivering")
})

test("an incomplete boot is delivered as it came, END included; the client's own next attempt completes it", () => {
  const driver = new Driver()
  driver.sends(ME, START, B0, B2, END)
  expect(driver.wait(BOOT_OVERTAKEN_MS)).toEqual(["END", "boot-incomplete"])
  driver.now += 6_000
  expect(driver.sends(ME, START, B1)).toEqual(["boot-begun", "START", "B1"])
  // The second attempt has lost B0 and B2: the first had them.
  expect(driver.sends(ME, END)).toEqual(["END"])
  expect(driver.kind).toBe("delivering")
})

test("END is not invented", () => {
  const driver = new Driver()
  driver.sends(ME, START, B0, B1, B2)
  expect(driver.wait(BOOT_STALLED_MS)).toEqual(["boot-unfinished", "no probe"])
  expect(driver.kind).toBe("idle")
})

test("blocks whose START is lost go out all the same, and the log says what is missing", () => {
  const driver = new Driver()
  driver.sends(ME, B0, B1, B2, END)
  expect(driver.wait(BOOT_OVERTAKEN_MS)).toEqual(["B0", "B1", "B2"])
  expect(driver.wait(BOOT_OVERTAKEN_MS)).toEqual(["END", "boot-unfinished"])
  // The second attempt brings the START.
  expect(driver.sends(ME, START, END)).toEqual(["boot-begun", "START", "END"])
})

test("a second client is refused while the first boots, once in the log, and let in when the first is silent or gone", () => {
  const silent = IN.collecting()
  expect(silent.sends(YOU, ...OTHER.slice(0, 2))).toEqual(["-boot-refused", "boot-refused", "-boot-refused"])
  silent.now += BOOT_GIVEN_UP_MS
  expect(silent.sends(YOU, OTHER[0]!)).toEqual(["boot-begun", "START"])
  const gone = IN.collecting()
  gone.step({ type: "closed", from: ME })
  expect(gone.sends(YOU, START, B0)).toEqual(["boot-begun", "START", "B0"])
})

test("a reconnected client's second link completes what the first began", () => {
  const driver = IN.collecting()
  driver.step({ type: "closed", from: ME })
  expect(driver.sends(YOU, START, B1, B2, END)).toEqual(["boot-begun", "START", "B1", "B2", "END"])
  expect(driver.kind).toBe("delivering")
})

test("another image after a part of one: told, and none of the old blocks is ever sent again", () => {
  const driver = IN.collecting()
  driver.wait(BOOT_STALLED_MS)
  expect(driver.kind).toBe("idle")
  expect(driver.sends(YOU, ...OTHER)).toEqual([
    ...["boot-begun", "START", "clear", "boot-mixed", "START", "other", "other", "other", "END"],
  ])
  expect(driver.step(SENT).filter((name) => /^B\d/.test(name))).toEqual([])
})

test("what the ROM may hold is forgotten in time, and when the board has answered", () => {
  const old = IN.collecting()
  old.wait(BOOT_STALLED_MS)
  old.now += BOOT_REMEMBERED_MS
  expect(old.sends(YOU, ...OTHER)).not.toContain("boot-mixed")
  const answered = IN.delivering()
  answered.step(UP)
  expect(answered.sends(YOU, ...OTHER)).not.toContain("boot-mixed")
})

test("the client's next attempt at the same image begins the quick passes and the patience anew", () => {
  const driver = IN.delivering()
  for (let pass = 0; pass < 6; pass++) driver.step(SENT)
  driver.now += 20_000
  expect(new Set(driver.sends(ME, ...IMAGE))).toEqual(new Set(["-boot-repeat"]))
  expect(driver.step(SENT)[1]).toBe("START")
  expect(driver.machine.deadline).toBe(driver.now + BOOT_PATIENCE_MS)
})

test("after 30 s without an answer, silent or 255,255, the boot has failed", () => {
  const silent = IN.delivering()
  expect(silent.wait(BOOT_PATIENCE_MS)).toEqual(["clear", "boot-failed", "no probe"])
  const starting = IN.starting()
  expect(starting.wait(BOOT_PATIENCE_MS)).toEqual(["clear", "boot-failed", "no probe"])
  expect(starting.kind).toBe("idle")
})

test("a board that was power-cycled while it started can be booted at once", () => {
  const driver = IN.starting()
  driver.now += BOARD_GONE_MS
  expect(driver.sends(YOU, START)).toEqual(["no probe", "boot-begun", "START"])
})

test("what trickles in after a finished boot is a duplicate, not a new boot", () => {
  const driver = IN.delivering()
  driver.step(UP)
  expect(driver.sends(ME, B2, END)).toEqual(["-boot-repeat", "-boot-repeat"])
  driver.now += BOOT_AFTERMATH_MS
  expect(driver.sends(ME, START)).toEqual(["boot-begun", "START"])
})

test("blocks beyond what START announced are not passed on", () => {
  expect(IN.collecting().sends(ME, LONGER[4]!)).toEqual(["-malformed"])
  expect(IN.delivering().sends(ME, LONGER[4]!)).toEqual(["-malformed"])
})
