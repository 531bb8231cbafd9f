/** Talk to a board as an application does: SpiNNMan's `udp_packet_connections` in TypeScript, and what is built on them. */
export * from "./bmp-connection.ts"
export * from "./boot-board.ts"
export * from "./boot-connection.ts"
export * from "./boot-values.ts"
export * from "./chip-info.ts"
export * from "./connection-listener.ts"
export * from "./eieio-connection.ts"
export * from "./eieio-data-message.ts"
export * from "./exceptions.ts"
export * from "./identify.ts"
export * from "./ip-addresses-connection.ts"
export * from "./look-at.ts"
export * from "./machine-info.ts"
export * from "./machine-summary.ts"
export * from "./memory-access.ts"
export * from "./messages.ts"
export * from "./power.ts"
export * from "./scamp-connection.ts"
export type * from "./scp-connection.ts"
export * from "./scp-request-pipeline.ts"
export { TIMEOUT_REASON, WINDOW_DEFAULTS, type WindowOptions } from "./scp-window.ts"
export * from "./sdp-connection.ts"
export { updateSdpHeaderForUdpSend } from "./sdp-header.ts"
export {
  type ConnectionContext,
  type ReceiveMethod,
  UDPConnection,
  type UDPConnectionOptions,
} from "./udp-connection.ts"
export * from "./version-query.ts"
