import { describe, expect, test } from "bun:test"
import { BackendLineError, parseBackendLine } from "../../src/lucidac/backend-line.ts"
import { type BackendListResult, NO_LOCATION_WARNING, readBackends } from "../../src/lucidac/backend-list.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { integer, mutate } from "../support/fuzz.ts"

const files =
  (named: Record<string, string> = {}) =>
  (name: string) =>
    name in named ? { text: named[name]! } : undefined
const inline = (...values: string[]) => readBackends(values, files())
const file = (text: string) => readBackends(["lab"], files({ lab: text }))

/** `host:port@stack/carrier` of each backend, or the errors. */
function short(result: BackendListResult): string[] {
  if (!result.ok) return [...result.errors]
  return result.backends.map(({ host, port, location }) => {
    const spot = location ? `@${location.stack ?? "-"}/${location.carrier}` : ""
    return `${host}:${port}${spot}`
  })
}
const wires = (result: BackendListResult) => {
  if (!result.ok) throw new Error(result.errors.join("\n"))
  return result.wires.map(({ source, target }) => `${source.backend}.${source.pin}>${target.backend}.${target.pin}`)
}
/** Two carriers without stack, and two with. */
const BARE = "carrier 10.0.0.1 0\ncarrier 10.0.0.2 1\n"
const STACKED = "carrier 10.0.0.1 0/0\ncarrier 10.0.0.2 1/0\n"

describe("one line, accepted", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1:5732"],
    ["10.0.0.1:5733", "10.0.0.1:5733"],
    ["10.0.0.1/0/2", "10.0.0.1:5732@0/2"],
    ["10.0.0.1:5733/0/2", "10.0.0.1:5733@0/2"],
    ["10.0.0.1/3", "10.0.0.1:5732@-/3"],
    ["carrier 10.0.0.1", "10.0.0.1:5732"],
    ["carrier 10.0.0.1 3", "10.0.0.1:5732@-/3"],
    ["carrier lab-1.example.org:6000 0/1", "lab-1.example.org:6000@0/1"],
    ["  carrier\t10.0.0.1   0/1 \t", "10.0.0.1:5732@0/1"],
    [" 10.0.0.1 ", "10.0.0.1:5732"],
    ["carrier 10.0.0.1 0# note", "10.0.0.1:5732@-/0"],
    ["carrier 10.0.0.1 0 # note, with a comma", "10.0.0.1:5732@-/0"],
    ["10.0.0.1#note", "10.0.0.1:5732"],
    ["carrier carrier 0", "carrier:5732@-/0"],
    ["[2001:db8::7]", "2001:db8::7:5732"],
    ["[::1]:6000/1/2", "::1:6000@1/2"],
    ["carrier [fe80::1] 4", "fe80::1:5732@-/4"],
    ["3com", "3com:5732"],
    ["carrier 10.0.0.1 007", "10.0.0.1:5732@-/7"],
    ["10.0.0.1\r", "10.0.0.1:5732"],
    ["10.0.0.1:65535", "10.0.0.1:65535"],
  ])("%p", (line, expected) => expect(short(file(`${line}\n`))).toEqual([expected]))

  test.each(["", "   ", "# only a comment", "\t# 10.0.0.1", "\r"])("%p says nothing", (line) => {
    expect(parseBackendLine(line)).toEqual({ kind: "nothing" })
  })
})

describe("one line, rejected with what was expected", () => {
  test.each([
    ["10.0.0.1/0/1/2", 'location "0/1/2": expected STACK/CARRIER or CARRIER, in whole numbers such as 0/1'],
    ["10.0.0.1,10.0.0.2", "a comma: in a file each backend has a line of its own"],
    [
      "carrier 10.0.0.1/0/1",
      '"10.0.0.1/0/1": behind "carrier" a blank stands before the location: carrier 10.0.0.1 0/1',
    ],
    ["CARRIER 10.0.0.1", '"CARRIER": keywords are in small letters: carrier'],
    ["Wire 0/4 1/5", '"Wire": keywords are in small letters: wire'],
    ["carrier", 'nothing behind "carrier"; expected carrier HOST[:PORT] [LOCATION]'],
    ["wire", "a wire has two ends, here are 0; expected wire SOURCE TARGET, such as wire 0/4 1/5"],
    ["lab_1", 'host "lab_1": expected an address, or a name of letters, digits and -'],
    ["-lab", 'host "-lab": expected an address, or a name of letters, digits and -'],
    ["lab-.org", 'host "lab-.org": expected an address, or a name of letters, digits and -'],
    ["::1", '"::1": an IPv6 address stands in brackets: [::1]'],
    ["[10.0.0.1]", '"[10.0.0.1]": expected an IPv6 address within the brackets'],
    ["300.1.1.1", 'host "300.1.1.1": expected four numbers from 0 to 255, or a name'],
    ["1000.1.1.1", 'host "1000.1.1.1": expected four numbers from 0 to 255, or a name'],
    ["10.0.0", 'host "10.0.0": expected four numbers from 0 to 255, or a name'],
    ["10.0.0.1:99999", 'port "99999": expected 1 to 65535'],
    ["10.0.0.1:0", 'port "0": expected 1 to 65535'],
    ["10.0.0.1:", 'port "": expected 1 to 65535'],
    ["10.0.0.1:5x", 'port "5x": expected 1 to 65535'],
    [":5732", "no host; expected HOST[:PORT][/LOCATION]"],
    ["carrier 10.0.0.1 -1", 'location "-1": expected STACK/CARRIER or CARRIER, in whole numbers such as 0/1'],
    [
      "carrier 10.0.0.1 4294967296",
      'location "4294967296": expected STACK/CARRIER or CARRIER, in whole numbers such as 0/1',
    ],
    ["carrier 10.0.0.1 0/1 x", '"x" behind the location; expected carrier HOST[:PORT] [LOCATION]'],
    ["10.0.0.1/", 'location "": expected STACK/CARRIER or CARRIER, in whole numbers such as 0/1'],
    [
      "10.0.0.1 0/1",
      '"10.0.0.1 0/1": expected HOST[:PORT][/LOCATION], carrier HOST[:PORT] [LOCATION], or wire END END',
    ],
    ["wire 0/4", "a wire has two ends, here are 1; expected wire SOURCE TARGET, such as wire 0/4 1/5"],
    ["wire 0 1", '"0": expected [STACK/]CARRIER/PIN as the end of a wire, such as 0/4'],
    ["wire 0/4/3 1/4/2 x", "a wire has two ends, here are 3; expected wire SOURCE TARGET, such as wire 0/4 1/5"],
    ["wire 0/foo 0/4", 'pin "foo": expected 0 to 7 or aux0, aux1, gen0, gen1'],
    ["wire 0/AUX0 0/4", 'pin "AUX0": expected 0 to 7 or aux0, aux1, gen0, gen1'],
    ["wire 0/9 1/4", "pin 9: expected 0 to 7 or aux0, aux1, gen0, gen1"],
    ["wire 0/0/0/4 1/5", 'location "0/0/0": expected STACK/CARRIER or CARRIER, in whole numbers such as 0/1'],
  ])("%p", (line, expected) => expect(short(file(`10.0.0.9\n\n${line}\n`))).toEqual([`lab:3: ${expected}`]))

  test("a very long word is shortened", () => {
    expect(short(inline("x_".repeat(200)))[0]!.length).toBeLessThan(600)
    expect(() => parseBackendLine("x_".repeat(200))).toThrow(BackendLineError)
  })
})

describe("lists", () => {
  test("inline, a comma is a line's end, with blanks around or without", () => {
    expect(short(inline("10.0.0.1,10.0.0.2/0/1"))).toEqual(["10.0.0.1:5732", "10.0.0.2:5732@0/1"])
    expect(short(inline(" 10.0.0.1 , carrier lab 3,"))).toEqual(["10.0.0.1:5732", "lab:5732@-/3"])
    expect(short(inline("carrier a 0,carrier b 1,wire 0/4 1/5"))).toEqual(["a:5732@-/0", "b:5732@-/1"])
    expect(wires(inline("carrier a 0,carrier b 1", "wire 0/4 1/5"))).toEqual(["0.4>1.5"])
  })

  test("several values, files and inline mixed, in their order", () => {
    const read = files({ "lab.txt": "10.0.0.1\n10.0.0.2", other: "carrier c 0\n" })
    expect(short(readBackends(["lab.txt", "x,y", "other"], read))).toEqual([
      "10.0.0.1:5732",
      "10.0.0.2:5732",
      "x:5732",
      "y:5732",
      "c:5732@-/0",
    ])
  })

  test("a file with both grammars, comments, blank lines, CRLF and no end of line at its end", () => {
    const text = "# lab\r\n\r\n10.0.0.1/0/0  # old\r\ncarrier 10.0.0.2 0/1\r\n\twire 0/0/4 0/1/aux0"
    expect(short(file(text))).toEqual(["10.0.0.1:5732@0/0", "10.0.0.2:5732@0/1"])
    expect(wires(file(text))).toEqual(["0.4>1.aux0"])
  })

  test("a value that looks like a file and is none says so; one that is a file is one whatever its name", () => {
    for (const name of ["/etc/none", "./lab", "../lab", "~/lab", "lab.txt", "LAB.TXT"]) {
      expect(short(inline(name))).toEqual([`${name}: no such file`])
    }
    expect(short(readBackends(["10.0.0.1"], files({ "10.0.0.1": "lab" })))).toEqual(["lab:5732"])
    const problem = readBackends(["dir"], () => ({ problem: "is a directory" }))
    expect(short(problem)).toEqual(["dir: is a directory"])
  })

  test("no backend is an error: an empty value, an empty file, no value", () => {
    const none = "No backend is named: give --backend HOST[:PORT][/STACK/CARRIER] or a file with such lines"
    for (const result of [inline(""), inline(), inline(" , "), file(""), file("# nothing\n")]) {
      expect(short(result)).toEqual([none])
    }
  })

  test("every mistake is told with its place, up to twenty", () => {
    expect(short(file("10.0.0.1\n300.1.1.1\nCARRIER x\n"))).toEqual([
      'lab:2: host "300.1.1.1": expected four numbers from 0 to 255, or a name',
      'lab:3: "CARRIER": keywords are in small letters: carrier',
    ])
    expect(short(inline("10.0.0.1, 300.1.1.1"))).toEqual([
      '--backend "300.1.1.1": host "300.1.1.1": expected four numbers from 0 to 255, or a name',
    ])
    expect(short(file("x_\n".repeat(50)))).toHaveLength(20)
  })

  test("more than 64 backends or 512 wires are refused", () => {
    const many = Array.from({ length: 65 }, (_, index) => `10.0.0.${index}`).join("\n")
    expect(short(file(many))).toEqual(["More than 64 backends"])
    expect(short(file(`${BARE}${"wire 0/1 1/1\n".repeat(513)}`))).toEqual(["More than 512 wires"])
  })
})

describe("wires", () => {
  test.each([
    ["wire 0/4 1/5", "0.4>1.5"],
    ["wire 0/aux0 0/3", "0.aux0>0.3"],
    ["wire 0/gen1 1/aux0", "0.gen1>1.aux0"],
    ["wire 0/4 0/4", "0.4>0.4"],
  ])("%p", (line, expected) => {
    expect(wires(file(`${BARE}${line}\n`))).toEqual([expected])
    expect(wires(file(`${line}\n${BARE}`))).toEqual([expected])
  })

  test("with stacks, and in the order of the file", () => {
    expect(wires(file(`${STACKED}wire 0/0/4 1/0/5\nwire 1/0/0 0/0/7\n`))).toEqual(["0.4>1.5", "1.0>0.7"])
  })

  test("each end must be at a carrier, with and without stack being different places; the role is named", () => {
    expect(short(file(`${BARE}wire 0/4 2/5\n`))).toEqual([
      "lab:3: the wire's target is at carrier 2 (without a stack), where no carrier was defined",
    ])
    expect(short(file(`${STACKED}wire 0/4 1/5\n`))).toEqual([
      "lab:3: the wire's source is at carrier 0 (without a stack), where no carrier was defined",
      "lab:3: the wire's target is at carrier 1 (without a stack), where no carrier was defined",
    ])
    expect(short(file(`${STACKED}wire 9/0/4 0/0/5\n`))).toEqual([
      "lab:3: the wire's source is at stack 9, carrier 0, where no carrier was defined",
    ])
  })

  test("both ends have a stack, or none", () => {
    expect(short(file(`${BARE}wire 0/4 1/0/5\n`))).toEqual([
      "lab:3: either both ends of a wire have a stack or none has",
    ])
  })
})

describe("warnings", () => {
  test("no carrier with a stack: all are treated alike", () => {
    expect(inline("10.0.0.1").warnings).toEqual([NO_LOCATION_WARNING])
    expect(file(BARE).warnings).toEqual([NO_LOCATION_WARNING])
    expect(file(STACKED).warnings).toEqual([])
    expect(inline("10.0.0.1,10.0.0.2/0/1").warnings).toEqual([])
  })

  test("a wire twice, or two into one pin; the way out of a pin is free", () => {
    const { warnings } = file(`${STACKED}wire 0/0/1 1/0/5\nwire 0/0/2 1/0/5\nwire 0/0/2 1/0/6\n`)
    expect(warnings).toEqual(["lab:4: another wire ends at stack 1, carrier 0, pin 5 already (lab:3)"])
  })

  test("a device listed twice counts once, as it is listed last", () => {
    const result = file("10.0.0.1/0/0\n10.0.0.2/0/1\n10.0.0.1/1/0\n")
    expect(short(result)).toEqual(["10.0.0.1:5732@1/0", "10.0.0.2:5732@0/1"])
    expect(result.warnings).toEqual(["lab:3: 10.0.0.1:5732 is listed already (lab:1); this entry counts"])
  })

  test("two devices at one place", () => {
    expect(file("10.0.0.1/0/0\n10.0.0.2/0/0\n").warnings).toEqual([
      "lab:2: stack 0, carrier 0 is also that of 10.0.0.1:5732 (lab:1)",
    ])
  })
})

test("any text gives a list or errors, never anything else", () => {
  const random = seededRandom(9)
  const good = Buffer.from(`${STACKED}wire 0/0/4 1/0/aux0 # x\n[::1]:6000/1/2\nlab.example.org\n`)
  for (let round = 0; round < 2_000; round++) {
    const text = mutate(random, good)
      .toString()
      .slice(0, integer(random, 0, 200))
    const result = round % 2 ? inline(text) : file(text)
    if (result.ok) expect(result.backends.length).toBeGreaterThan(0)
    else expect(result.errors.length).toBeGreaterThan(0)
  }
})
