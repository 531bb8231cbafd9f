import { describe, expect, test } from "bun:test"
import * as exceptions from "../../src/connections/exceptions.ts"

const made = {
  SpinnmanInvalidPacketException: new exceptions.SpinnmanInvalidPacketException("SDP", "why"),
  SpinnmanInvalidParameterException: new exceptions.SpinnmanInvalidParameterException("x", 256, "why"),
  SpinnmanInvalidParameterTypeException: new exceptions.SpinnmanInvalidParameterTypeException("x", "string", "why"),
  SpinnmanIOException: new exceptions.SpinnmanIOException("why"),
  SpinnmanEOFException: new exceptions.SpinnmanEOFException(),
  SpinnmanTimeoutException: new exceptions.SpinnmanTimeoutException("receive", 1000),
  SpiNNManCoresNotInStateException: new exceptions.SpiNNManCoresNotInStateException(
    1000,
    ["run"],
    new Map([["0,0,1", "init"]]),
  ),
  SpinnmanUnexpectedResponseCodeException: new exceptions.SpinnmanUnexpectedResponseCodeException("it", 0, 0x87),
  SpinnmanGenericProcessException: new exceptions.SpinnmanGenericProcessException(new Error("why")),
  SpinnmanGroupedProcessException: new exceptions.SpinnmanGroupedProcessException([new Error("why"), new Error("too")]),
  SpinnmanUnsupportedOperationException: new exceptions.SpinnmanUnsupportedOperationException("flying"),
  SpinnmanEIEIOPacketParsingException: new exceptions.SpinnmanEIEIOPacketParsingException("data", new Uint8Array(1)),
  SpallocException: new exceptions.SpallocException("why"),
}

describe("the tree of exceptions", () => {
  test.each(Object.entries(made))("%s bears its name and is a SpinnmanException", (name, exception) => {
    expect(exception.name).toBe(name)
    expect(exception).toBeInstanceOf(exceptions.SpinnmanException)
    expect(exception.message).not.toBe("")
  })

  test("EOF is an IO exception; cores not in state is a time-out; a time-out is no IO exception", () => {
    expect(made.SpinnmanEOFException).toBeInstanceOf(exceptions.SpinnmanIOException)
    expect(made.SpiNNManCoresNotInStateException).toBeInstanceOf(exceptions.SpinnmanTimeoutException)
    expect(made.SpinnmanTimeoutException).not.toBeInstanceOf(exceptions.SpinnmanIOException)
  })

  test("process exceptions keep what went wrong as their cause", () => {
    expect((made.SpinnmanGenericProcessException.cause as Error).message).toBe("why")
    expect(made.SpinnmanGroupedProcessException.message).toBe("2 requests failed, the first: why")
  })

  test("cores are named up to ten, counted above", () => {
    const cores = (count: number) => new Map(Array.from({ length: count }, (_, core) => [`0,0,${core}`, "init"]))
    const message = (count: number) => new exceptions.SpiNNManCoresNotInStateException(1, ["run"], cores(count)).message
    expect(message(10)).toContain("0,0,9 (init)")
    expect(message(11)).toContain("waiting for 11 cores to reach one of run")
  })
})
