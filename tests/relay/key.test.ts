import { expect, test } from "bun:test"
import { deviceName, grants, isUserName } from "../../src/relay/key.ts"

test.each(["alice", "Bob.2", "jörg@lab", "李雷", "a-b_c", "x".repeat(63)])("%j can be a user", (name) =>
  expect(isUserName(name)).toBe(true),
)

test.each(["", "-a", "a b", "a\n", "\u001b[2J", "a/b", "../x", "@a", "x".repeat(64), "a\u200b"])("%j cannot", (name) =>
  expect(isUserName(name)).toBe(false),
)

test("a machine may call itself anything: it is made fit to print", () => {
  expect(deviceName("pi")).toBe("pi")
  expect(deviceName("\u001b[31mred\u0000 \n host")).toBe("[31mred host")
  expect(deviceName("\u202e\n")).toBe("unnamed")
  expect(deviceName("y".repeat(500))).toHaveLength(63)
})

test("a key opens the boards it names, or all", () => {
  expect(grants({ boards: "all" }, "a")).toBe(true)
  expect(grants({ boards: ["a", "b"] }, "b")).toBe(true)
  expect(grants({ boards: ["a", "b"] }, "c")).toBe(false)
  expect(grants({ boards: [] }, "a")).toBe(false)
})
