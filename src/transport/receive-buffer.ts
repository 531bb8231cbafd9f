/**
 * Room in the kernel for datagrams that come faster than the event loop turns. Linux gives a socket 208 KiB, which
 * held 166 datagrams of 280 bytes, and Bun has no option for more, so this asks libc through bun:ffi.
 */
import type { Observer } from "../observe/observer.ts"
import { openLibc } from "./libc.ts"

/** Bytes asked for: with a busy event loop, 5,000 datagrams sent in one turn all arrived. */
export const WANTED_RECEIVE_BUFFER = 4 << 20
/** Below this many bytes a person is told how to mend it. */
export const SMALL_RECEIVE_BUFFER = 1 << 20

/** Sets one socket's receive buffer; returns the bytes granted, or undefined where that cannot be done. */
export type SetReceiveBuffer = (fd: number, wantedBytes: number) => number | undefined

/** Enlarges the receive buffers of one part of the process, and says once what was granted. */
export class ReceiveBuffers {
  #set: SetReceiveBuffer | undefined
  #told = false

  constructor(
    private readonly observer: Observer,
    private readonly load: () => SetReceiveBuffer = loadSetReceiveBuffer,
    private readonly platform: string = process.platform,
  ) {}

  /** Does nothing where the system has no such thing; never throws. */
  enlarge(socket: { readonly fd: number | undefined }): void {
    if (socket.fd === undefined || socket.fd < 0) return
    try {
      this.#set ??= this.load()
      const grantedBytes = this.#set(socket.fd, WANTED_RECEIVE_BUFFER)
      if (grantedBytes !== undefined) this.#tell(grantedBytes)
    } catch {
      // A libc that cannot be loaded or asked: the default buffer has to do.
      this.#set = () => undefined
    }
  }

  #tell(grantedBytes: number): void {
    if (this.#told) return
    this.#told = true
    const hint = grantedBytes < SMALL_RECEIVE_BUFFER ? HINTS[this.platform] : undefined
    this.observer.event({ type: "receive-buffer", grantedBytes, wantedBytes: WANTED_RECEIVE_BUFFER, hint })
  }
}

/** The command that lets sockets have what they ask for, by platform. */
const HINTS: Partial<Record<string, string>> = {
  linux: `sysctl -w net.core.rmem_max=${WANTED_RECEIVE_BUFFER}`,
  darwin: `sysctl -w kern.ipc.maxsockbuf=${2 * WANTED_RECEIVE_BUFFER}`,
}

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
