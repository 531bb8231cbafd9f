import { describe, expect, test } from "bun:test"
import { SERVER_LIMITS, type ServerConfig, TUNNEL_PORT } from "../../src/relay/server-config.ts"
import { readServerConfig } from "../../src/relay/server-config-file.ts"
import { SERVER_EXAMPLE } from "../support/readme.ts"

function read(toml: string): ServerConfig {
  const result = readServerConfig(toml)
  if (!result.ok) throw new Error(JSON.stringify(result.complaints))
  return result.value
}

/** `#port = 17896` is a default that is shown; `# words` are words. */
const UNCOMMENTED = SERVER_EXAMPLE.replace(/^#(?=\S)/gm, "")

describe("the README's example of a server's configuration", () => {
  test("is one", () => {
    const { name, port, boards, limits } = read(SERVER_EXAMPLE)
    expect({ name, port, limits }).toEqual({ name: "pi", port: TUNNEL_PORT, limits: SERVER_LIMITS })
    expect(boards.map((board) => board.name)).toEqual(["board-a", "board-b"])
    expect(boards[0]?.bmp).toEqual({ host: "192.168.240.0", port: 17_893, board: 0 })
    expect(boards[1]?.lease).toMatchObject({ exclusive: true, sessionTimeoutMs: 600_000, maxHoldMs: 28_800_000 })
  })

  test("shows as defaults what counts when they are left out", () => {
    expect(UNCOMMENTED).not.toBe(SERVER_EXAMPLE)
    expect(read(UNCOMMENTED)).toEqual(read(SERVER_EXAMPLE))
  })

  test("tells of every key that there is", () => {
    const said = (toml: string): string[] => {
      const result = readServerConfig(toml)
      return result.ok ? [] : result.complaints.map(({ text }) => text)
    }
    for (const header of ["", "[limits]\n", "[leases]\n", "[[boards]]\n"]) {
      const known = said(`${header}qqqqqqqq = 1`).find((text) => text.startsWith("unknown key"))
      const keys = known!.slice(known!.indexOf("are ") + 4).split(", ")
      expect(keys.length).toBeGreaterThan(3)
      const shown = new Set([...UNCOMMENTED.matchAll(/^\[{0,2}([\w-]+)(\]| =)/gm)].map((match) => match[1]))
      expect(keys.filter((key) => !shown.has(key))).toEqual([])
    }
  })
})
