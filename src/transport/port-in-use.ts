/** Is a program still there? Its UDP port is, for as long as it is: trying to open the same port tells. */
import { type OpenSocket, openSocket } from "./udp-socket.ts"

/** True if some program has UDP port `port` of the local address `host` open, or if that cannot be told. */
export async function portInUse(host: string, port: number, open: OpenSocket = openSocket): Promise<boolean> {
  try {
    const socket = await open({ host, port }, { onDatagram() {}, onError() {}, onDrain() {} })
    socket.close()
    return false
  } catch {
    return true
  }
}
