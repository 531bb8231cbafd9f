/** The exceptions of src/connections, by the names and in the tree of SpiNNMan's `spinnman.exceptions`. */
import { commandName, resultName } from "../protocol/scp.ts"

/** What every failure of a connection is; catch this to catch them all. */
export class SpinnmanException extends Error {
  override name = "SpinnmanException"
}

/** A datagram arrived that is not what this connection carries: too short, or a field with an impossible value. */
export class SpinnmanInvalidPacketException extends SpinnmanException {
  override name = "SpinnmanInvalidPacketException"
  constructor(
    /** What it was taken for: "SDP", "SCP response". */
    readonly packetType: string,
    /** Why it cannot be one. */
    readonly problem: string,
  ) {
    super(`Cannot read a packet as ${packetType}: ${problem}`)
  }
}

/** A caller's value that the protocol has no room for. */
export class SpinnmanInvalidParameterException extends SpinnmanException {
  override name = "SpinnmanInvalidParameterException"
  constructor(
    readonly parameter: string,
    readonly value: unknown,
    readonly problem: string,
  ) {
    super(`Cannot use ${parameter} ${String(value)}: ${problem}`)
  }
}

/** A caller's value of the wrong kind altogether. */
export class SpinnmanInvalidParameterTypeException extends SpinnmanException {
  override name = "SpinnmanInvalidParameterTypeException"
  constructor(
    readonly parameter: string,
    readonly paramType: string,
    readonly problem: string,
  ) {
    super(`Cannot use a ${paramType} as ${parameter}: ${problem}`)
  }
}

/** The network or the system refused: bind, name resolution, send. */
export class SpinnmanIOException extends SpinnmanException {
  override name = "SpinnmanIOException"
  /** The system's word for it where there is one: `ECONNREFUSED`, `EADDRINUSE`, `ENOTFOUND`. */
  readonly code: string | undefined
  constructor(problem: string, options: ErrorOptions & { code?: string | undefined } = {}) {
    super(problem, options)
    this.code = options.code
  }
}

/** The connection has been closed. */
export class SpinnmanEOFException extends SpinnmanIOException {
  override name = "SpinnmanEOFException"
  constructor() {
    super("Connection is closed")
  }
}

/** Nothing came in time. Not a SpinnmanIOException: nothing is known to be broken. */
export class SpinnmanTimeoutException extends SpinnmanException {
  override name: string = "SpinnmanTimeoutException"
  constructor(
    /** What was waited for: "receive", "VER of 0,0". */
    readonly operation: string,
    /** How long, in milliseconds. */
    readonly timeoutMs: number,
    message?: string,
  ) {
    super(message ?? `Operation ${operation} timed out after ${timeoutMs / 1000} seconds`)
  }
}

/** Cores did not reach a state in time. */
export class SpiNNManCoresNotInStateException extends SpinnmanTimeoutException {
  override name = "SpiNNManCoresNotInStateException"
  constructor(
    timeoutMs: number,
    readonly expectedStates: readonly string[],
    /** The cores that did not, as `x,y,p` with the state that they are in. */
    readonly failedCoreStates: ReadonlyMap<string, string>,
  ) {
    const some = [...failedCoreStates].slice(0, 10).map(([core, state]) => `${core} (${state})`)
    const cores = failedCoreStates.size > 10 ? `${failedCoreStates.size} cores` : `cores ${some.join(", ")}`
    super(`waiting for ${cores} to reach one of ${expectedStates.join(", ")}`, timeoutMs)
  }
}

/** A board answered a request with something other than OK. */
export class SpinnmanUnexpectedResponseCodeException extends SpinnmanException {
  override name = "SpinnmanUnexpectedResponseCodeException"
  /** The code's name: "P2P_NOREPLY". */
  readonly response: string
  constructor(
    /** What the request was for: "READ of 3,4". */
    readonly operation: string,
    /** The command's code. */
    readonly command: number,
    /** The `Result` in the reply. */
    readonly result: number,
  ) {
    super(`Unexpected response ${resultName(result)} to ${commandName(command)} while performing ${operation}`)
    this.response = resultName(result)
  }
}

/** One request of a process failed; `cause` says how. */
export class SpinnmanGenericProcessException extends SpinnmanException {
  override name = "SpinnmanGenericProcessException"
  /** The failure itself. */
  readonly exception: Error
  constructor(exception: Error) {
    super(exception.message, { cause: exception })
    this.exception = exception
  }
}

/** Several requests of a process failed. */
export class SpinnmanGroupedProcessException extends SpinnmanException {
  override name = "SpinnmanGroupedProcessException"
  constructor(readonly exceptions: readonly Error[]) {
    const first = exceptions[0]
    super(`${exceptions.length} requests failed, the first: ${first?.message ?? "unknown"}`, { cause: first })
  }
}

/** This connection cannot do that at all. */
export class SpinnmanUnsupportedOperationException extends SpinnmanException {
  override name = "SpinnmanUnsupportedOperationException"
  constructor(readonly operation: string) {
    super(`Operation ${operation} is not supported`)
  }
}

/** A datagram that is not an EIEIO message. */
export class SpinnmanEIEIOPacketParsingException extends SpinnmanException {
  override name = "SpinnmanEIEIOPacketParsingException"
  constructor(
    readonly parsingFormat: string,
    readonly packet: Uint8Array,
  ) {
    super(`Cannot read a packet of ${packet.length} bytes as an EIEIO ${parsingFormat} packet`)
  }
}

/** Trouble with a spalloc session or job. */
export class SpallocException extends SpinnmanException {
  override name = "SpallocException"
}

/** The system's code of any thrown thing, `ECONNREFUSED`; undefined where there is none. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === "string" ? code : undefined
}

/** What a thrown thing says. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
