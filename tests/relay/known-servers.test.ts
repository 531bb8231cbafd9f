import { describe, expect, test } from "bun:test"
import { addressesToTry, type KnownServer, KnownServers, MAX_SERVERS } from "../../src/relay/known-servers.ts"
import { StoreError } from "../../src/relay/secret-store.ts"
import { seededRandom } from "../../src/transport/random.ts"
import { mutate, utf8 } from "../support/fuzz.ts"
import { MemoryStore } from "../support/memory-store.ts"

const NAME = { host: "pi.local", port: 17_896 }
const NUMBER = { host: "192.0.2.7", port: 17_896 }
const PI: KnownServer = { name: "pi", addresses: [NAME, NUMBER], keyId: "abc", secret: new Uint8Array(32).fill(7) }

describe("servers that were joined", () => {
  test("are there at the next start, each once by its name", () => {
    const store = new MemoryStore()
    const servers = KnownServers.open(store)
    servers.put(PI)
    servers.put({ ...PI, name: "lab", keyId: "def" })
    servers.put({ ...PI, keyId: "new" })
    const again = KnownServers.open(store)
    expect(again.list.map(({ name }) => name).sort()).toEqual(["lab", "pi"])
    expect(again.find("pi")).toEqual({ ...PI, keyId: "new" })
    expect(again.find("nobody")).toBeUndefined()
  })

  test("are written once more to see whether that can be done, and change nothing", () => {
    const store = new MemoryStore()
    KnownServers.open(store).rewrite()
    const servers = KnownServers.open(store)
    expect(servers.list).toEqual([])
    servers.put(PI)
    servers.rewrite()
    expect(KnownServers.open(store).list).toEqual([PI])
  })

  test("cannot have a name that would not be read again", () => {
    const store = new MemoryStore()
    const servers = KnownServers.open(store)
    for (const name of ["", "my lab", "-pi", "a\nb", "x".repeat(64)]) {
      expect(() => servers.put({ ...PI, name })).toThrow(RangeError)
    }
    expect(store.saves).toBe(0)
  })

  test("are tried first where they were found last", () => {
    const store = new MemoryStore()
    const servers = KnownServers.open(store)
    servers.put(PI)
    expect(addressesToTry(servers.find("pi")!)).toEqual([NAME, NUMBER])
    servers.worked("pi", NUMBER)
    servers.worked("pi", NUMBER)
    servers.worked("gone", NUMBER)
    expect(addressesToTry(KnownServers.open(store).find("pi")!)).toEqual([NUMBER, NAME])
    // One for the server, one for its address; nothing is written for what is known.
    expect(store.saves).toBe(3)
  })

  test("are not lost to another process that writes in between", () => {
    const store = new MemoryStore()
    const [client, join] = [KnownServers.open(store), KnownServers.open(store)]
    client.put(PI)
    join.put({ ...PI, name: "lab" })
    client.worked("pi", NUMBER)
    expect(KnownServers.open(store).list.map(({ name }) => name)).toEqual(["pi", "lab"])
    expect(join.find("pi")).toEqual(PI)
  })

  test.each([
    ["pi", "pi-3"],
    ["lab", "lab"],
    ["the lab's pi!", "the-lab-s-pi"],
    ["../..", "server"],
    ["\u001b[2J", "2J"],
    ["ä".repeat(63), "ä".repeat(59)],
  ])("get a free name that can be typed: %j becomes %s", (wanted, name) => {
    const servers = KnownServers.open(new MemoryStore())
    servers.put(PI)
    servers.put({ ...PI, name: "pi-2" })
    expect(servers.freeName(wanted)).toBe(name)
  })

  test("are not more than the file may hold", () => {
    const store = new MemoryStore()
    const servers = KnownServers.open(store)
    for (let i = 0; i < MAX_SERVERS; i++) servers.put({ ...PI, name: `pi${i}` })
    expect(() => servers.put(PI)).toThrow(StoreError)
    servers.put({ ...PI, name: "pi0", keyId: "new" })
    expect(servers.find("pi0")?.keyId).toBe("new")
  })
})

describe("a file of servers", () => {
  const damages: [text: string, said: string][] = [
    ["{", "it is no JSON"],
    ['{"version":1}', "it has no list of servers"],
    ['{"version":1,"servers":[{"name":"pi"}]}', "server 1 of 1 makes no sense"],
    ['{"version":7,"servers":[]}', "newer version"],
  ]
  test.each(damages)("that holds %j is refused and not written over", (text, said) => {
    const store = new MemoryStore(text)
    expect(() => KnownServers.open(store)).toThrow(said)
    expect(store.saves).toBe(0)
  })

  test("that is damaged while the program runs is not written over either", () => {
    const store = new MemoryStore()
    const servers = KnownServers.open(store)
    store.text = "{"
    expect(() => servers.put(PI)).toThrow(StoreError)
    expect(store.text).toBe("{")
    expect(servers.list).toEqual([])
  })

  test("of any text is refused, or gives whole servers", () => {
    const store = new MemoryStore()
    KnownServers.open(store).put({ ...PI, lastGood: NAME })
    const random = seededRandom(4)
    for (let i = 0; i < 2000; i++) {
      try {
        const text = new TextDecoder().decode(mutate(random, utf8(store.text!)))
        for (const server of KnownServers.open(new MemoryStore(text)).list) {
          expect(server.secret).toHaveLength(32)
          for (const { host, port } of addressesToTry(server)) {
            expect(host).toMatch(/^\S+$/)
            expect(port).toBeWithin(1, 65_536)
          }
        }
      } catch (error) {
        expect(error).toBeInstanceOf(StoreError)
      }
    }
  })
})
