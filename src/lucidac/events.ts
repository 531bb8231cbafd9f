/** What a proxy tells of itself, and the line that a person reads of each. */
import type { Level } from "../observe/log-lines.ts"

/** One thing that happened. Devices and clients are `host:port`; times are milliseconds. */
export type ProxyEvent =
  | { type: "connecting"; device: string }
  | { type: "device-up"; device: string; carriers: readonly string[]; data: "udp" | "tcp" }
  | { type: "device-failed"; device: string; detail: string; retryMs: number }
  | { type: "device-lost"; device: string; detail: string; retryMs: number }
  | { type: "duplicate-carrier"; carrier: string; kept: string; ignored: string }
  | { type: "foreign-datagram"; device: string; from: string }
  | { type: "receive-buffer"; grantedBytes: number; hint: string }
  | { type: "client-connected"; client: string; sessions: number }
  | { type: "client-refused"; client: string; detail: string }
  | { type: "client-gone"; client: string; detail: string; sessions: number }
  | { type: "waiting"; client: string; place: number; holder: string | undefined }
  | { type: "active"; client: string; waiting: number }
  | { type: "answered-busy"; client: string; place: number; holder: string | undefined }
  | { type: "released"; client: string; detail: string }
  | { type: "auth-failed"; client: string }
  | { type: "refused-write"; client: string; command: string }
  | { type: "run-begun"; client: string; run: string; devices: number }
  | { type: "run-over"; client: string; run: string; how: string; chunks: number; lost: number }
  | { type: "run-foreign"; device: string; run: string; chunks: number }
  | { type: "lost"; client: string; run: string; carrier: string; count: number; cause: "gap" | "full" }
  | { type: "held-back"; client: string; bytes: number; device: string }
  | { type: "dropped"; client: string; device: string }
  | { type: "message"; from: string; to: string; kind: string }

/** The line of an event. */
export function eventLine(event: ProxyEvent): { level: Level; text: string } {
  switch (event.type) {
    case "connecting":
      return { level: "info", text: `Connecting to backend ${event.device}` }
    case "device-up": {
      const carriers = event.carriers.length > 0 ? `carrier ${event.carriers.join(", ")}` : "no carrier"
      return { level: "info", text: `${event.device} is there: ${carriers}; samples by ${event.data.toUpperCase()}` }
    }
    case "device-failed":
      return { level: "warn", text: `${event.device}: ${event.detail}; next try in ${seconds(event.retryMs)}` }
    case "device-lost":
      return { level: "warn", text: `Lost ${event.device}: ${event.detail}; trying again in ${seconds(event.retryMs)}` }
    case "duplicate-carrier":
      return {
        level: "warn",
        text: `Carrier ${event.carrier} is behind ${event.kept} and ${event.ignored}: is one device listed twice? The first is used`,
      }
    case "foreign-datagram":
      return { level: "warn", text: `Ignored a datagram for ${event.device} that came from ${event.from}` }
    case "receive-buffer":
      return {
        level: "warn",
        text: `The system grants only ${event.grantedBytes} bytes to receive samples in; "${event.hint}" helps`,
      }
    case "client-connected":
      return { level: "debug", text: `${event.client} connected (${event.sessions} now)` }
    case "client-refused":
      return { level: "warn", text: `Refused ${event.client}: ${event.detail}` }
    case "client-gone":
      return { level: "info", text: `${event.client} left: ${event.detail} (${event.sessions} connected)` }
    case "waiting":
      return { level: "info", text: `${event.client} waits, place ${event.place}${heldBy(event.holder)}` }
    case "active":
      return { level: "info", text: `${event.client} has the computer; ${event.waiting} waiting` }
    case "answered-busy":
      return { level: "info", text: `Told ${event.client} to wait, place ${event.place}${heldBy(event.holder)}` }
    case "released":
      return { level: "info", text: `Released ${event.client}: ${event.detail}` }
    case "auth-failed":
      return { level: "warn", text: `${event.client} sent a wrong token` }
    case "refused-write":
      return { level: "warn", text: `Refused ${event.command} of ${event.client}: --allow-writes is not given` }
    case "run-begun":
      return { level: "info", text: `Run ${event.run} of ${event.client} on ${event.devices} device(s)` }
    case "run-over": {
      const level = event.lost > 0 || event.how !== "done" ? "warn" : "info"
      return { level, text: `Run ${event.run}: ${event.how}; ${event.chunks} chunks, ${event.lost} lost` }
    }
    case "run-foreign":
      return {
        level: "info",
        text: `Kept ${event.chunks} message(s) of run ${event.run} from ${event.device} to itself: nobody here began it`,
      }
    case "lost":
      return {
        level: "warn",
        text:
          event.cause === "gap"
            ? `Run ${event.run}: ${event.count} chunk(s) of ${event.carrier} never came; the network or this machine lost them`
            : `Run ${event.run}: ${event.count} chunk(s) of ${event.carrier} dropped; ${event.client} reads too slowly, --buffer is full`,
      }
    case "held-back":
      return {
        level: "warn",
        text: `${event.client} reads too slowly, ${event.bytes} bytes wait: holding ${event.device} back`,
      }
    case "dropped":
      return {
        level: "warn",
        text: `Dropped a message of ${event.device}: ${event.client} reads nothing and its buffer is more than full`,
      }
    case "message":
      return { level: "debug", text: `${event.from} -> ${event.to}: ${event.kind}` }
  }
}

function heldBy(holder: string | undefined): string {
  return holder === undefined ? "" : `; ${holder} has the computer`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
