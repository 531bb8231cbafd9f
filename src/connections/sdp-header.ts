/** The SDP header fields that make a board send its reply back by Ethernet. */
import { SDP_HOST_PORT_CPU, SDP_TAG_NONE, type SdpHeader } from "../protocol/sdp.ts"
import { SpinnmanInvalidParameterException } from "./exceptions.ts"

/**
 * Makes `sdpHeader` fit to be sent by UDP, in place: tag 255, source port 7, source CPU 31, source chip as given.
 * What the caller had set there is lost, in SpiNNMan too, where the documentation says otherwise: with any other source the reply
 * would not leave the board. Throws SpinnmanInvalidParameterException for a coordinate outside 0..255.
 */
export function updateSdpHeaderForUdpSend(sdpHeader: SdpHeader, sourceX: number, sourceY: number): void {
  checkByte("source x", sourceX)
  checkByte("source y", sourceY)
  sdpHeader.tag = SDP_TAG_NONE
  sdpHeader.srcPort = SDP_HOST_PORT_CPU >> 5
  sdpHeader.srcCpu = SDP_HOST_PORT_CPU & 31
  sdpHeader.srcX = sourceX
  sdpHeader.srcY = sourceY
}

/** Throws SpinnmanInvalidParameterException unless `value` fits a byte. */
export function checkByte(parameter: string, value: number): void {
  checkRange(parameter, value, 255)
}

/** Throws SpinnmanInvalidParameterException unless `value` is a whole number in 0..`max`. */
export function checkRange(parameter: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= max) return
  throw new SpinnmanInvalidParameterException(parameter, value, `expected a whole number from 0 to ${max}`)
}

/** Throws SpinnmanInvalidParameterException for a header field that its byte or its bits cannot hold. */
export function checkSdpHeader(header: SdpHeader): void {
  checkByte("flags", header.flags)
  checkByte("tag", header.tag)
  checkRange("destination port", header.destPort, 7)
  checkRange("destination cpu", header.destCpu, 31)
  checkRange("source port", header.srcPort, 7)
  checkRange("source cpu", header.srcCpu, 31)
  checkByte("destination x", header.destX)
  checkByte("destination y", header.destY)
  checkByte("source x", header.srcX)
  checkByte("source y", header.srcY)
}
