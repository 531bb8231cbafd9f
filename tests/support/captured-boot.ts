/** A captured boot: what the client sent, in order, and what the board made of it. */
import { BOOT_PORT } from "../../src/protocol/boot.ts"
import { SCP_PORT } from "../../src/protocol/scp.ts"
import { Application } from "./application.ts"
import { readPcap } from "./pcap.ts"

/** The captures of boots, of clean lines and of bad ones. */
export const CAPTURED_BOOTS = [
  "rig-boot-spin3",
  "rig-boot-spin5",
  "spinnman-boot-spin5",
  "ybug-boot-spin5",
  "rig-boot-lossy",
  "spinnman-boot-lossy",
] as const

/** One datagram that the captured client sent. */
export interface SentDatagram {
  /** Stands for the socket it left from. */
  readonly socket: string
  readonly service: "scp" | "boot"
  readonly payload: Uint8Array
}

/** A capture with its board's own log. */
export interface CapturedBoot {
  readonly name: string
  readonly sent: readonly SentDatagram[]
  /** Ordinals (from 1) of the boot datagrams that the capture's board lost. */
  readonly dropped: readonly number[]
  /** First 16 hex digits of the image's SHA-256; undefined if the boot never completed. */
  readonly digest: string | undefined
  /** Blocks missing at the last END; empty if none. */
  readonly missing: readonly number[]
}

interface BoardLine {
  ev: string
  sha?: string
  complete?: boolean
  missing?: number[]
}

/** Reads tests/captures/`name`.pcap and its .board.jsonl. */
export async function readCapturedBoot(name: string): Promise<CapturedBoot> {
  const folder = `${import.meta.dir}/../captures`
  const sent: SentDatagram[] = []
  for (const packet of readPcap(await Bun.file(`${folder}/${name}.pcap`).bytes())) {
    const service =
      packet.destination.port === SCP_PORT ? "scp" : packet.destination.port === BOOT_PORT ? "boot" : undefined
    if (packet.protocol !== "udp" || !service || packet.source.port === SCP_PORT) continue
    sent.push({ socket: `${service} ${packet.source.port}`, service, payload: packet.payload.slice() })
  }
  const lines = (await Bun.file(`${folder}/${name}.board.jsonl`).text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as BoardLine)
  const boots = lines.filter((line) => /^boot_(start|block|end|drop)$/.test(line.ev))
  const ends = lines.filter((line) => line.ev === "boot_end")
  return {
    name,
    sent,
    dropped: boots.flatMap((line, index) => (line.ev === "boot_drop" ? [index + 1] : [])),
    digest: lines.find((line) => line.ev === "image")?.sha,
    missing: ends.at(-1)?.complete === false ? (ends.at(-1)?.missing ?? []) : [],
  }
}

/** Sends the capture's datagrams to `ports` in their own order, each socket of the capture from a socket of its own. */
export async function replayBoot(
  capture: CapturedBoot,
  ports: Readonly<Record<"scp" | "boot", number>>,
): Promise<void> {
  const sockets = new Map<string, Application>()
  for (const { socket, service, payload } of capture.sent) {
    const application = sockets.get(socket) ?? (await Application.open(ports[service]))
    sockets.set(socket, application)
    application.send(payload)
    // One turn of the loop for everybody: the order is the capture's, the pace is not.
    await new Promise((resolve) => setImmediate(resolve))
  }
}
