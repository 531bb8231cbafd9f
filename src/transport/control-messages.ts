/**
 * Bun asks Linux for two control messages with every datagram, its local address and its type of service, and shows
 * neither to JavaScript. Left out, a relay of two hops does 4 to 8 % more requests a second one at a time and 14 % more
 * at a window of 64 (measured in alternating runs). What Bun needs for ICMP errors (IP_RECVERR) stays.
 */
import { openLibc } from "./libc.ts"

/** Level and option of <netinet/in.h>, Linux: IP_PKTINFO, IP_RECVTOS, IPV6_RECVPKTINFO, IPV6_RECVTCLASS. */
const CONTROL_MESSAGES = [
  [0, 8],
  [0, 13],
  [41, 49],
  [41, 66],
] as const

/** Has a socket told only what it reads; an option that it has not is left as it is. */
export type DropControlMessages = (fd: number) => void

/** Finds setsockopt; throws where there is none. Elsewhere than on Linux it yields a function that does nothing. */
export function loadDropControlMessages(): DropControlMessages {
  if (process.platform !== "linux") return () => {}
  const { setsockopt } = openLibc()
  const off = new Int32Array(1)
  return (fd) => {
    for (const [level, option] of CONTROL_MESSAGES) setsockopt(fd, level, option, off, 4)
  }
}
