/** Whether this machine has a way to an address at all, which Bun's TCP sockets do not tell. */
import type { Address } from "./address.ts"
import { errorCode, type OpenSocket, openSocket } from "./udp-socket.ts"

/**
 * The system's code for having no way to `address` (ENETUNREACH ...), or undefined if it has one. Connecting a UDP
 * socket looks the way up as TCP would, and sends nothing.
 */
export async function routeError(address: Address, open: OpenSocket = openSocket): Promise<string | undefined> {
  try {
    const any = address.host.includes(":") ? "::" : "0.0.0.0"
    const socket = await open({ host: any, port: 0, connect: address }, NOBODY)
    socket.close()
    return undefined
  } catch (error) {
    return errorCode(error)
  }
}

const NOBODY = { onDatagram() {}, onError() {}, onDrain() {} }
