import { expect, test } from "bun:test"
import { loadSetReceiveBuffer } from "../../src/transport/receive-buffer.ts"
import { plain } from "../support/udp.ts"

test.if(process.platform === "linux")("asks this machine's libc, and a closed descriptor is no trouble", async () => {
  const set = loadSetReceiveBuffer()
  const socket = await plain()
  expect(set(socket.socket.fd!, 65_536)).toBe(65_536)
  expect(set(65_000, 65_536)).toBeUndefined()
})
