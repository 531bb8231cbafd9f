/** Is there a way to an address? */
import { expect, test } from "bun:test"
import { routeError } from "../../src/transport/route.ts"

test("there is one to this machine itself, whether or not anything listens there", async () => {
  expect(await routeError({ host: "127.0.0.1", port: 1 })).toBeUndefined()
})

test("says what the system says, asked with a socket of the address's own family, which is closed again", async () => {
  const asked: unknown[] = []
  const noWay = await routeError({ host: "2001:db8::7", port: 17894 }, (addresses) => {
    asked.push(addresses)
    return Promise.reject(Object.assign(new Error("network is unreachable"), { code: "ENETUNREACH" }))
  })
  expect(noWay).toBe("ENETUNREACH")
  expect(asked).toEqual([{ host: "::", port: 0, connect: { host: "2001:db8::7", port: 17894 } }])

  let closed = 0
  const address = { address: "192.0.2.1", port: 1 }
  const socket = { send: () => true, close: () => closed++, closed: false, address, fd: undefined }
  expect(await routeError({ host: "192.0.2.7", port: 17894 }, () => Promise.resolve(socket))).toBeUndefined()
  expect(closed).toBe(1)
})
