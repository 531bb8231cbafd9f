/** What every connection that carries SCP has in common, and the codecs that they share. */
import {
  commandName,
  encodeScpRequest,
  Result,
  SCP_MAX_DATA,
  SCP_OFFSET,
  SCP_REPLY_BODY_OFFSET,
} from "../protocol/scp.ts"
import { SDP_PAD, SDP_TAG_NONE, SdpFlag, type SdpHeader } from "../protocol/sdp.ts"
import { SpinnmanInvalidPacketException } from "./exceptions.ts"
import { checkRange, checkSdpHeader, updateSdpHeaderForUdpSend } from "./sdp-header.ts"

/** How long SpiNNMan waits for an SCP response where nobody says otherwise, in milliseconds. */
export const SCP_TIMEOUT_MS = 1000

/** An SCP request as callers write it; what is left out is 0. */
export interface SCPRequest {
  /** A `Command`. */
  readonly command: number
  /** The chip that it is for; 255,255 is the one that the machine was booted from. */
  readonly destX: number
  readonly destY: number
  /** Virtual core, 0..31; for a BMP the board, 0..23. */
  readonly destCpu?: number
  readonly destPort?: number
  /** u16, echoed by the board. The request pipeline sets it. */
  readonly sequence?: number
  readonly arg1?: number
  readonly arg2?: number
  readonly arg3?: number
  /** At most 256 bytes. */
  readonly data?: Uint8Array
}

/** A response with its SDP header. */
export interface SCPResponse {
  /** A `Result`. One that is not OK is returned, not thrown: only the request's owner knows what it means. */
  readonly result: number
  readonly sequence: number
  /** The whole datagram. */
  readonly data: Uint8Array
  /** Where the SDP header starts in it: 2. */
  readonly offset: number
}

/** A response and who sent it. */
export interface SCPResponseWithAddress extends SCPResponse {
  readonly ipAddress: string
  readonly port: number
}

/** A connection that carries SCP: what the request pipeline needs. */
export interface AbstractSCPConnection {
  /** True as soon as a receive would not wait; false after `timeoutMs` milliseconds. */
  isReadyToReceive(timeoutMs?: number): Promise<boolean>
  /** The next response, within `timeoutMs` milliseconds. */
  receiveScpResponse(timeoutMs?: number, signal?: AbortSignal): Promise<SCPResponse>
  /** The datagram that `request` would be sent as. */
  getScpData(request: SCPRequest): Uint8Array
  /** Sends `request`. */
  sendScpRequest(request: SCPRequest): Promise<void>
  /** Sends a datagram as it is. */
  send(data: Uint8Array): Promise<void>
  /** Coordinates of the chip at which messages arrive first. */
  readonly chipX: number
  readonly chipY: number
}

/** One UDP payload for `request`, with `sourceX`, `sourceY` as its source chip. Throws SpinnmanInvalidParameterException for what does not fit. */
export function encodeRequest(request: SCPRequest, sourceX: number, sourceY: number): Uint8Array {
  const { command, sequence = 0, arg1 = 0, arg2 = 0, arg3 = 0, data = new Uint8Array(0) } = request
  const sdp: SdpHeader = {
    flags: SdpFlag.reply,
    tag: SDP_TAG_NONE,
    destPort: request.destPort ?? 0,
    destCpu: request.destCpu ?? 0,
    srcPort: 0,
    srcCpu: 0,
    destX: request.destX,
    destY: request.destY,
    srcX: 0,
    srcY: 0,
  }
  updateSdpHeaderForUdpSend(sdp, sourceX, sourceY)
  checkSdpHeader(sdp)
  checkRange("command", command, 0xffff)
  checkRange("sequence", sequence, 0xffff)
  checkRange("data length", data.length, SCP_MAX_DATA)
  // Arguments are bit fields to many callers, who end up with the signed result of a shift.
  return encodeScpRequest({ sdp, command, sequence, arg1: arg1 >>> 0, arg2: arg2 >>> 0, arg3: arg3 >>> 0, data })
}

/** The response in a datagram. Throws SpinnmanInvalidPacketException for one that is too short or has an unknown result (SpiNNMan: struct.error, ValueError). */
export function parseScpResponse(data: Uint8Array): SCPResponse {
  if (data.length < SCP_REPLY_BODY_OFFSET) {
    throw new SpinnmanInvalidPacketException(
      "SCP response",
      `${data.length} bytes, expected at least ${SCP_REPLY_BODY_OFFSET}`,
    )
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const result = view.getUint16(SCP_OFFSET, true)
  if (result < Result.OK || result > Result.PKT_TX) {
    throw new SpinnmanInvalidPacketException("SCP response", `result 0x${result.toString(16)}, expected 0x80 to 0x8f`)
  }
  return { result, sequence: view.getUint16(SCP_OFFSET + 2, true), data, offset: SDP_PAD }
}

/** "READ of chip 3,4" for messages. */
export function describeRequest(request: SCPRequest): string {
  const core = request.destCpu ? `,${request.destCpu}` : ""
  return `${commandName(request.command)} of ${request.destX},${request.destY}${core}`
}
