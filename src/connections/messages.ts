/** The messages of a connection as an AsyncIterable. */
import { type Observer, silentObserver } from "../observe/observer.ts"
import {
  SpinnmanEIEIOPacketParsingException,
  SpinnmanEOFException,
  SpinnmanInvalidPacketException,
} from "./exceptions.ts"
import type { ReceiveMethod } from "./udp-connection.ts"

/**
 * The messages of a connection as they come, until it is closed or `signal` is aborted. Datagrams that are not of the
 * connection's protocol are skipped and counted as malformed: nobody on the network can end the loop.
 */
export async function* messages<T>(
  receive: ReceiveMethod<T>,
  signal?: AbortSignal,
  observer: Observer = silentObserver,
): AsyncGenerator<T, void, void> {
  for (;;) {
    let message: T
    try {
      message = await receive(Number.POSITIVE_INFINITY, signal)
    } catch (error) {
      if (error instanceof SpinnmanEOFException || signal?.aborted) return
      if (!isMalformed(error)) throw error
      observer.drop("malformed", "connection")
      continue
    }
    yield message
  }
}

const isMalformed = (error: unknown): boolean =>
  error instanceof SpinnmanInvalidPacketException || error instanceof SpinnmanEIEIOPacketParsingException
