/**
 * Room in the kernel for datagrams that come faster than the event loop turns. Linux gives a socket 208 KiB, which
 * held 166 datagrams of 280 bytes, and Bun has no option for more, so this asks libc through bun:ffi.
 */
import { openLibc } from "./libc.ts"

/** Sets one socket's receive buffer; returns the bytes granted, or undefined where that cannot be done. */
export type SetReceiveBuffer = (fd: number, wantedBytes: number) => number | undefined

/** The numbers of <sys/socket.h>, which differ between systems. */
interface SocketConstants {
  readonly level: number
  readonly receiveBuffer: number
  /** Goes beyond rmem_max, for root. */
  readonly receiveBufferForce: number | undefined
  /** Linux reports twice what may be used: half of it is for its own accounting. */
  readonly reported: number
}

const CONSTANTS: Partial<Record<string, SocketConstants>> = {
  linux: {
    level: 1,
    receiveBuffer: 8,
    receiveBufferForce: 33,
    reported: 2,
  },
  darwin: {
    level: 0xffff,
    receiveBuffer: 0x1002,
    receiveBufferForce: undefined,
    reported: 1,
  },
}

/** Finds setsockopt; throws where there is none. Elsewhere than on Linux and macOS it yields undefined for all. */
export function loadSetReceiveBuffer(): SetReceiveBuffer {
  const constants = CONSTANTS[process.platform]
  if (!constants) return () => undefined
  const { setsockopt, getsockopt } = openLibc()
  const value = new Int32Array(1)
  const length = new Uint32Array(1)
  const set = (fd: number, option: number, bytes: number): boolean => {
    value[0] = bytes
    return setsockopt(fd, constants.level, option, value, 4) === 0
  }
  return (fd, wantedBytes) => {
    // macOS refuses what is over its limit rather than granting the limit, so ask for less until it agrees.
    for (let bytes = wantedBytes; !set(fd, constants.receiveBuffer, bytes) && bytes > 1 << 18; ) bytes /= 2
    const granted = (): number | undefined => {
      length[0] = 4
      if (getsockopt(fd, constants.level, constants.receiveBuffer, value, length) !== 0) return undefined
      return value[0]! / constants.reported
    }
    const first = granted()
    if (first === undefined || first >= wantedBytes || constants.receiveBufferForce === undefined) return first
    set(fd, constants.receiveBufferForce, wantedBytes)
    return granted()
  }
}
