/** Several applications through one client: nobody ever sees another's replies. */
import { describe, expect, test } from "bun:test"
import { Command, decodeScpReply, decodeScpRequest, Result } from "../../src/protocol/scp.ts"
import { Application } from "../support/application.ts"
import { readCapturedBoot } from "../support/captured-boot.ts"
import { MODES, startChain } from "../support/chain.ts"
import { readRequest, SDRAM, writeRequest } from "../support/scp-requests.ts"

describe.each(MODES)("over $name", (mode) => {
  test("the two programs of the crosstalk capture each read back what they wrote", async () => {
    const capture = await readCapturedBoot("pyproxy-crosstalk")
    await using chain = await startChain(mode, { board: { booted: true } })
    const programs = new Map<string, { application: Application; wrote: Uint8Array; read: Uint8Array | undefined }>()
    for (const { socket, payload } of capture.sent) {
      const request = decodeScpRequest(payload)
      if (!request) continue
      let program = programs.get(socket)
      if (!program) {
        const application = await Application.open(chain.client.ports.scp)
        program = { application, wrote: new Uint8Array(0), read: undefined }
        programs.set(socket, program)
      }
      if (request.command === Command.WRITE) program.wrote = new Uint8Array(request.data)
      program.application.send(payload)
    }
    for (const program of programs.values()) {
      for (let answer = await program.application.next(); answer; answer = await program.application.next(50)) {
        const reply = decodeScpReply(answer)
        if (reply && reply.body.length > 0) program.read = new Uint8Array(reply.body)
      }
      program.application[Symbol.dispose]()
    }
    expect(programs.size).toBe(2)
    for (const { wrote, read } of programs.values()) {
      expect(wrote.length).toBe(8)
      expect(read).toEqual(wrote)
    }
  })

  test("200 applications with the same sequence numbers at once each get their own answers", async () => {
    await using chain = await startChain(mode, { board: { booted: true } })
    const count = 200
    const applications = await Promise.all(
      Array.from({ length: count }, () => Application.open(chain.client.ports.scp)),
    )
    const told = (index: number) => new Uint8Array(new Uint32Array([index, ~index, index * 7, 0xc0ffee]).buffer)
    /** As a program does: asks again when no answer comes, and passes over a second answer to what it asked before. */
    async function ask(application: Application, request: Uint8Array) {
      const wanted = decodeScpRequest(request)?.sequence
      for (let tries = 0; tries < 20; tries++) {
        application.send(request)
        for (let answer = await application.next(500); answer; answer = await application.next(500)) {
          const reply = decodeScpReply(answer)
          if (reply?.sequence === wanted) return reply
        }
      }
      return undefined
    }
    const read = await Promise.all(
      applications.map(async (application, index) => {
        const written = await ask(application, writeRequest(1, SDRAM + 16 * index, told(index)))
        expect(written?.result).toBe(Result.OK)
        const answer = await ask(application, readRequest(2, SDRAM + 16 * index, 16))
        return answer?.body && new Uint8Array(answer.body)
      }),
    )
    for (const [index, bytes] of read.entries()) expect(bytes).toEqual(told(index))
    // One request, one answer: whatever else came would be somebody else's.
    for (const application of applications) {
      expect(application.received.every((extra) => decodeScpReply(extra)?.result === Result.OK)).toBe(true)
      application[Symbol.dispose]()
    }
    expect(chain.client.counts.flows).toBe(count)
  }, 30_000)
})
