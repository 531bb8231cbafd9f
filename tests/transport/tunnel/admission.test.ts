import { describe, expect, test } from "bun:test"
import { seededRandom } from "../../../src/transport/random.ts"
import { ADMISSION_LIMITS, Admission, groupOf } from "../../../src/transport/tunnel/admission.ts"
import { integer } from "../../support/fuzz.ts"

/** An admission whose strangers are strings, and who has had to go. */
function door(limits = { perGroup: 2, total: 4, deadlineMs: 100 }) {
  const admission = new Admission(limits)
  const gone: string[] = []
  const keys = new Map<string, object>()
  const enter = (name: string, host: string, now = 0): void => {
    const key = { name }
    keys.set(name, key)
    admission.enter(key, host, now, (why) => gone.push(`${name} ${why}`))
  }
  return { admission, gone, enter, leave: (name: string) => admission.leave(keys.get(name) ?? {}) }
}

describe("groupOf", () => {
  test("is an IPv4 address itself", () => {
    expect(groupOf("192.0.2.7")).toBe("192.0.2.7")
    expect(groupOf("192.0.2.7")).not.toBe(groupOf("192.0.2.8"))
  })

  test("is the /64 of an IPv6 address, however it is written", () => {
    for (const host of ["2001:db8::1", "2001:0db8:0:0::2", "2001:DB8:0:0:ffff:1:2:3", "2001:db8::192.0.2.7"]) {
      expect([host, groupOf(host)]).toEqual([host, "2001:db8:0:0::/64"])
    }
    expect(groupOf("2001:db8:0:1::1")).toBe("2001:db8:0:1::/64")
    expect(groupOf("2001:db8:1:2:3::")).toBe("2001:db8:1:2::/64")
    expect(groupOf("::1")).toBe("0:0:0:0::/64")
    expect(groupOf("::")).toBe("0:0:0:0::/64")
  })

  test("does not care which interface a link-local address is at", () => {
    expect(groupOf("fe80::1%eth0")).toBe("fe80:0:0:0::/64")
    expect(groupOf("fe80::2%wlan0")).toBe(groupOf("fe80::1%eth0"))
  })

  test("does not throw all IPv4 addresses into one where they come mapped", () => {
    expect(groupOf("::ffff:192.0.2.7")).toBe("192.0.2.7")
  })
})

describe("Admission", () => {
  test("lets a few in from each address; the oldest of an address gives way to its next", () => {
    const { admission, gone, enter } = door()
    for (const name of ["a1", "a2"]) enter(name, "192.0.2.1")
    enter("b1", "192.0.2.2")
    expect(gone).toEqual([])
    enter("a3", "192.0.2.1")
    expect(gone).toEqual(["a1 crowded"])
    expect(admission.size).toBe(3)
  })

  test("counts a subscriber's whole /64 as one address", () => {
    const { gone, enter } = door()
    for (let at = 1; at <= 3; at++) enter(`${at}`, `2001:db8::${at}`)
    enter("other", "2001:db8:0:1::1")
    expect(gone).toEqual(["1 crowded"])
  })

  test("holds so many in all; the oldest of all gives way", () => {
    const { admission, gone, enter } = door()
    for (let at = 1; at <= 6; at++) enter(`${at}`, `192.0.2.${at}`)
    expect(gone).toEqual(["1 crowded", "2 crowded"])
    expect(admission.size).toBe(4)
  })

  test("forgets who leaves: they make room, and nobody ends them any more", () => {
    const { admission, gone, enter, leave } = door()
    for (const name of ["a1", "a2"]) enter(name, "192.0.2.1")
    expect([leave("a1"), leave("a1"), leave("nobody")]).toEqual([true, false, false])
    enter("a3", "192.0.2.1")
    admission.sweep(1_000)
    expect(gone).toEqual(["a2 timeout", "a3 timeout"])
    expect(admission.size).toBe(0)
  })

  test("ends those whose time is over, and no sooner", () => {
    const { admission, gone, enter } = door()
    enter("first", "192.0.2.1", 0)
    enter("second", "192.0.2.2", 50)
    admission.sweep(99)
    expect(gone).toEqual([])
    admission.sweep(100)
    expect(gone).toEqual(["first timeout"])
    admission.sweep(150)
    expect(gone).toEqual(["first timeout", "second timeout"])
  })

  test("has forgotten a stranger before it says so: whoever is told may leave or enter again", () => {
    const admission = new Admission({ perGroup: 1, total: 1, deadlineMs: 100 })
    const key = {}
    const left: boolean[] = []
    admission.enter(key, "192.0.2.1", 0, () => left.push(admission.leave(key)))
    admission.enter({}, "192.0.2.1", 0, () => {})
    expect(left).toEqual([false])
    expect(admission.size).toBe(1)
  })

  test("ends all at once", () => {
    const { admission, gone, enter } = door()
    for (let at = 1; at <= 3; at++) enter(`${at}`, `192.0.2.${at}`)
    admission.clear()
    expect([gone.length, admission.size]).toEqual([3, 0])
  })

  test("stays within its limits whatever happens, and tells each stranger at most once", () => {
    const random = seededRandom(9)
    const admission = new Admission(ADMISSION_LIMITS)
    const inside = new Map<object, string>()
    let now = 0
    for (let round = 0; round < 5_000; round++) {
      now += integer(random, 0, 20)
      const deed = integer(random, 0, 9)
      if (deed < 7) {
        const key = {}
        const host = `192.0.2.${integer(random, 1, 60)}`
        admission.enter(key, host, now, () => {
          if (!inside.delete(key)) throw new Error("told twice, or after it left")
        })
        inside.set(key, host)
      } else if (deed < 9) {
        const [key] = inside.keys()
        if (key) expect(admission.leave(key) && inside.delete(key)).toBe(true)
      } else admission.sweep(now)
      const perHost = new Map<string, number>()
      for (const host of inside.values()) perHost.set(host, (perHost.get(host) ?? 0) + 1)
      if (Math.max(0, ...perHost.values()) > ADMISSION_LIMITS.perGroup) throw new Error("too many from one address")
      if (admission.size !== inside.size || admission.size > ADMISSION_LIMITS.total) throw new Error("too many")
    }
  })
})
