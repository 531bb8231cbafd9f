/** Tells apart what may be behind an address: a board in whatever state, a BMP, nobody. */
import { BOOT_PORT } from "../protocol/boot.ts"
import { SCP_PORT } from "../protocol/scp.ts"
import { isBooting, type Version } from "../protocol/version.ts"
import { type Clock, systemClock } from "../transport/clock.ts"
import { errorText, SpinnmanException, SpinnmanIOException, SpinnmanTimeoutException } from "./exceptions.ts"
import { IPAddressesConnection } from "./ip-addresses-connection.ts"
import { resolveHost } from "./open-udp.ts"
import { SCAMPConnection } from "./scamp-connection.ts"
import { SCPRequestPipeLine } from "./scp-request-pipeline.ts"
import { getVersion, isBmp } from "./version-query.ts"

/** A boot ROM says hello every 4.096 s; listen a little longer than that, in milliseconds. */
export const HELLO_WAIT_MS = 4_500

/** Whom to look at. */
export interface IdentifyOptions {
  readonly host: string
  readonly scpPort?: number | undefined
  /** Where beacons come from and go to. */
  readonly bootPort?: number | undefined
  readonly helloPort?: number | undefined
  /** How long to wait for a beacon if VER has no answer, in milliseconds from the start. */
  readonly helloWaitMs?: number | undefined
  /** How often and how long VER is asked. */
  readonly ask?: { readonly timeoutMs: number; readonly retries: number } | undefined
  readonly clock?: Clock | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is there. */
export type Identity =
  | { readonly kind: "booted"; readonly version: Version }
  | { readonly kind: "booting"; readonly version: Version }
  | { readonly kind: "bmp"; readonly version: Version }
  /** VER has no answer, and a beacon came from the address. */
  | { readonly kind: "unbooted" }
  /** Nothing at all; `detail` says why, and `deaf` why beacons could not be listened for, if so. */
  | { readonly kind: "no-answer"; readonly detail: string; readonly deaf: string | undefined }

/** VER is asked as often and as long as rig does: 5 times 0.5 s. */
const IDENTIFY_ASK = { timeoutMs: 500, retries: 4 } as const

/** Looks at `host`. Rejects with SpinnmanIOException if it has no address, and with the signal's reason when aborted. */
export async function identify(options: IdentifyOptions): Promise<Identity> {
  const { host, scpPort = SCP_PORT, clock = systemClock, signal, ask = IDENTIFY_ASK } = options
  const address = await resolveHost(host)
  const startedMs = clock.now()
  const hello = await listen(options, clock)
  try {
    await using connection = await SCAMPConnection.open({ remoteHost: address, remotePort: scpPort, clock })
    const version = await getVersion(new SCPRequestPipeLine(connection, { clock, signal, ...ask }))
    if (isBmp(version)) return { kind: "bmp", version }
    return { kind: isBooting(version) ? "booting" : "booted", version }
  } catch (error) {
    if (!(error instanceof SpinnmanException)) throw error
    const detail = describe(error)
    if (hello instanceof Error) return { kind: "no-answer", detail, deaf: errorText(hello) }
    const waitMs = (options.helloWaitMs ?? HELLO_WAIT_MS) - (clock.now() - startedMs)
    if (await heard(hello, address, clock, Math.max(0, waitMs), signal)) return { kind: "unbooted" }
    return { kind: "no-answer", detail, deaf: undefined }
  } finally {
    if (!(hello instanceof Error)) hello.close()
  }
}

/** The listener for beacons, or why there is none: another program may have the port. */
async function listen(options: IdentifyOptions, clock: Clock): Promise<IPAddressesConnection | SpinnmanIOException> {
  const { bootPort = BOOT_PORT, helloPort = BOOT_PORT } = options
  try {
    return await IPAddressesConnection.open({ localPort: helloPort, sourcePort: bootPort, joins: true, clock })
  } catch (error) {
    if (error instanceof SpinnmanIOException) return error
    throw error
  }
}

async function heard(
  hello: IPAddressesConnection,
  address: string,
  clock: Clock,
  waitMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const untilMs = clock.now() + waitMs
  do {
    if ((await hello.receiveIpAddress(Math.max(0, untilMs - clock.now()), signal)) === address) return true
    signal?.throwIfAborted()
  } while (clock.now() < untilMs)
  return false
}

function describe(error: SpinnmanException): string {
  if (error instanceof SpinnmanTimeoutException) return "no answer to VER"
  const refused = error instanceof SpinnmanIOException && error.message.includes("ECONNREFUSED")
  return refused ? "no answer to VER: nothing listens on that port (ECONNREFUSED)" : errorText(error)
}
