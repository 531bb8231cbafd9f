import { expect, test } from "bun:test"
import type { CommandIo, Parsed } from "../../src/cli/command.ts"
import { dataDirectory } from "../../src/cli/data-directory.ts"

const io = (env: Record<string, string>) => ({ env }) as unknown as CommandIo
const parsed = (data?: string) => ({ value: (name: string) => (name === "data" ? data : undefined) }) as Parsed

test("the folder is the one that is named, or the user's own", () => {
  expect(dataDirectory(parsed("/srv/relay"), io({ HOME: "/home/pi" }), "linux")).toEqual({
    path: "/srv/relay",
    keysFile: "/srv/relay/keys.json",
    serversFile: "/srv/relay/servers.json",
    controlAddress: "/srv/relay/control.sock",
  })
  expect(dataDirectory(parsed(), io({ HOME: "/home/pi" }), "linux").path).toBe("/home/pi/.local/state/spinnaker-relay")
  expect(() => dataDirectory(parsed(), io({}), "linux")).toThrow("name a folder with --data DIR")
})

test("on Windows a server is asked by a pipe of its own for each folder", () => {
  const pipe = (path: string) => dataDirectory(parsed(path), io({}), "win32").controlAddress
  expect(pipe("/a")).toMatch(/^\\\\\.\\pipe\\spinnaker-relay-[0-9a-f]{16}$/)
  expect(pipe("/A")).toBe(pipe("/a"))
  expect(pipe("/b")).not.toBe(pipe("/a"))
})

test("on Windows the folder is in %LOCALAPPDATA%, which does not wander with the user's profile", () => {
  const LOCALAPPDATA = "C:\\Users\\pi\\AppData\\Local"
  const env = { LOCALAPPDATA, APPDATA: "C:\\Users\\pi\\AppData\\Roaming", HOME: "C:\\Users\\pi" }
  expect(dataDirectory(parsed(), io(env), "win32").path).toBe(`${LOCALAPPDATA}\\spinnaker-relay`)
  expect(() => dataDirectory(parsed(), io({ HOME: "C:\\Users\\pi" }), "win32")).toThrow("name a folder with --data DIR")
})
