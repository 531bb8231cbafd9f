/** The proxy on real sockets. */
import { type Address, formatAddress, unmapHost } from "../transport/address.ts"
import type { AllowList } from "../transport/allow.ts"
import type { Clock } from "../transport/clock.ts"
import type { Random } from "../transport/random.ts"
import { ReceiveTuning } from "../transport/receive-tuning.ts"
import { type Lookup, lookupName } from "../transport/resolver.ts"
import { StreamListener } from "../transport/stream-listener.ts"
import { connectTcp } from "../transport/tcp-port.ts"
import { errorCode, openSocket } from "../transport/udp-socket.ts"
import type { DeviceNetwork } from "./backend.ts"
import type { ProxyEvent } from "./events.ts"
import { DeviceProxy, type ProxyOptions } from "./proxy.ts"

/** A proxy and where it listens. */
export interface ServeOptions extends ProxyOptions {
  readonly listen: Address
  /** Who may connect; undefined for everybody. */
  readonly allow: AllowList | undefined
}

/** A running proxy. */
export interface Served {
  readonly proxy: DeviceProxy
  readonly address: Address
  close(reason: string): void
}

/** A device must answer a connect in this time. */
const CONNECT_TIMEOUT_MS = 5_000

/** Listens, then connects to the devices; throws the system's error, with its `code`, when it cannot listen. */
export function serveProxy(
  options: ServeOptions,
  context: { clock: Clock; random: Random; onEvent: (event: ProxyEvent) => void },
): Served {
  const proxy = new DeviceProxy(options, { ...context, network: socketNetwork(context.clock, context.onEvent) })
  const listener = new StreamListener({
    address: options.listen,
    onConnection: (port) => {
      const { host } = port.peer
      if (options.allow && !options.allow.allows(host)) {
        context.onEvent({
          type: "client-refused",
          client: formatAddress(port.peer),
          detail: "its address is not in --allow",
        })
        port.abort()
        return undefined
      }
      return proxy.accept(port)
    },
  })
  proxy.start()
  return {
    proxy,
    address: listener.address,
    close(reason) {
      listener.close()
      proxy.close(reason)
    },
  }
}

/** Devices reached by TCP, their samples by UDP; names are looked up anew for every try. */
export function socketNetwork(
  clock: Clock,
  onEvent: (event: ProxyEvent) => void,
  lookup: Lookup = lookupName,
): DeviceNetwork {
  const buffers = new ReceiveTuning({
    drop() {},
    event(event) {
      if (event.type !== "receive-buffer" || event.hint === undefined) return
      onEvent({ type: "receive-buffer", grantedBytes: event.grantedBytes, hint: event.hint })
    },
  })
  return {
    async dial(address, ownerOf, failed) {
      let host: string | undefined
      try {
        host = (await lookup(address.host))[0]
      } catch (error) {
        failed(`its name is not known (${errorCode(error).replace(/^DNS_/, "")})`)
        return
      }
      if (host === undefined) {
        failed("its name has no address")
        return
      }
      const to = { host, port: address.port }
      const result = await connectTcp({ address: to, timeoutMs: CONNECT_TIMEOUT_MS, clock, ownerOf })
      if (!result.ok) failed(connectDetail(result.code))
    },
    async openData(host, onDatagram, opened) {
      const owner = {
        onDatagram: (datagram: Uint8Array, _port: number, from: string) => onDatagram(datagram, unmapHost(from)),
        onError() {},
        onDrain() {},
      }
      try {
        const socket = await openSocket({ host: host.includes(":") ? "::" : "0.0.0.0", port: 0 }, owner)
        buffers.tune(socket)
        opened({ port: socket.address.port, close: () => socket.close() })
      } catch {
        opened(undefined)
      }
    },
  }
}

function connectDetail(code: string): string {
  switch (code) {
    case "ECONNREFUSED":
      return "it refuses the connection: is it a LUCIDAC, and is the port right?"
    case "ETIMEDOUT":
      return `it does not answer in ${CONNECT_TIMEOUT_MS / 1000} s: is it switched on?`
    case "EHOSTUNREACH":
    case "EHOSTDOWN":
      return "nothing answers at that address: is it switched on?"
    case "ENETUNREACH":
    case "ENETDOWN":
    case "EADDRNOTAVAIL":
      return "this machine has no network to it"
    default:
      return code
  }
}
