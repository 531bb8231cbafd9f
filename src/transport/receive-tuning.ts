/**
 * What the relay asks of the kernel for a socket that receives, and Bun has no option for: more room, and no word about
 * a datagram that nobody reads. Both through libc by bun:ffi.
 */
import type { Observer } from "../observe/observer.ts"
import { loadDropControlMessages } from "./control-messages.ts"
import { loadSetReceiveBuffer, type SetReceiveBuffer } from "./receive-buffer.ts"

/** Bytes asked for: with a busy event loop, 5,000 datagrams sent in one turn all arrived. */
export const WANTED_RECEIVE_BUFFER = 4 << 20
/** Below this many bytes a person is told how to mend it. */
export const SMALL_RECEIVE_BUFFER = 1 << 20

/** Finds what libc has for it; throws where there is no libc. */
function loadTuning(): SetReceiveBuffer {
  const dropControlMessages = loadDropControlMessages()
  const setReceiveBuffer = loadSetReceiveBuffer()
  return (fd, wantedBytes) => {
    dropControlMessages(fd)
    return setReceiveBuffer(fd, wantedBytes)
  }
}

/** Tunes the sockets of one part of the process, and says once what room was granted. */
export class ReceiveTuning {
  #set: SetReceiveBuffer | undefined
  #told = false

  constructor(
    private readonly observer: Observer,
    private readonly load: () => SetReceiveBuffer = loadTuning,
    private readonly platform: string = process.platform,
  ) {}

  /** Does nothing where the system has no such thing; never throws. */
  tune(socket: { readonly fd: number | undefined }): void {
    if (socket.fd === undefined || socket.fd < 0) return
    try {
      this.#set ??= this.load()
      const grantedBytes = this.#set(socket.fd, WANTED_RECEIVE_BUFFER)
      if (grantedBytes !== undefined) this.#tell(grantedBytes)
    } catch {
      // A libc that cannot be loaded or asked: the defaults have to do.
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
