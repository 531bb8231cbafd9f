/** What a person reads when talking to a board failed: what, with which value, and what to do next. */
import {
  SpinnmanException,
  SpinnmanGenericProcessException,
  SpinnmanGroupedProcessException,
  SpinnmanIOException,
  SpinnmanTimeoutException,
  SpinnmanUnexpectedResponseCodeException,
} from "../connections/exceptions.ts"
import { CliError, type CommandIo } from "./command.ts"

/** Exit code after Ctrl-C, by the shells' convention. */
export const EXIT_STOPPED = 130

/** Runs an action; failures of the connection become a CliError in words, anything else is passed on. */
export async function inWords<T>(
  io: Pick<CommandIo, "stop">,
  doing: { what: string; label: string; exitCode?: number; bmp?: boolean },
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (io.stop.aborted) throw new CliError(`${doing.what} stopped (${String(io.stop.reason)}).`, EXIT_STOPPED)
    if (!(error instanceof SpinnmanException)) throw error
    const text = `${doing.what} failed: ${rootOf(error).message}. ${adviceFor(rootOf(error), doing.label, doing.bmp)}`
    throw new CliError(text, doing.exitCode ?? 1, { cause: error })
  }
}

/** The failure of a request itself, out of the exception that a process wraps it in. */
function rootOf(error: Error): Error {
  if (error instanceof SpinnmanGenericProcessException) return error.exception
  return error instanceof SpinnmanGroupedProcessException ? (error.exceptions[0] ?? error) : error
}

function adviceFor(error: Error, label: string, bmp = false): string {
  const look = `"spinnaker-relay info ${label}" tells what is there.`
  if (error instanceof SpinnmanTimeoutException && bmp) {
    return `Is ${label} the BMP's address, and not the board's? ${look}`
  }
  if (error instanceof SpinnmanTimeoutException) return `Is ${label} right, and is the board booted? ${look}`
  if (error instanceof SpinnmanUnexpectedResponseCodeException) return ADVICE[error.response] ?? look
  if (!(error instanceof SpinnmanIOException)) return look
  if (error.message.includes("ECONNREFUSED")) {
    return `Nothing listens there: if a relay should, start it; if its ports are others, give --scp-port or --boot-port.`
  }
  if (error.message.startsWith("Error getting IP address")) return "Check the spelling, or give the IP address itself."
  if (error.code === "EADDRINUSE") return "Another program has that port: end it, or choose another address."
  return look
}

/** What to do about a result code. */
const ADVICE: Readonly<Record<string, string>> = {
  ROUTE: 'No route leads to that chip; "spinnaker-relay info" counts the chips that there are.',
  CPU: "That chip has no such core; --core 0 always works.",
  ARG: "The board takes no such address or length; an address outside its memory makes it say so.",
  P2P_NOREPLY: "The chip is listed but does not answer; the board may need to be booted again.",
  P2P_BUSY: "Another request to that chip was under way; try again.",
}
