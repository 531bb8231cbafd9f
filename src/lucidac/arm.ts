/** The kinds of `MessageV1`, by the number of their field: what a relay needs to know of a message it does not decode. */

/** Field numbers of the messages of protocol version 1. */
export const ARM = {
  success: 100,
  error: 101,
  standBy: 200,
  reset: 202,
  extract: 203,
  config: 204,
  startRun: 205,
  stopRun: 206,
  manualControl: 207,
  registerExternalEntities: 208,
  getSystemIdent: 209,
  syslog: 210,
  systemStats: 211,
  readSystemIdent: 212,
  resetSystemIdent: 213,
  writeSystemIdent: 214,
  udpDataStreaming: 215,
  readTemperature: 216,
  getOverloadStatus: 217,
  calibration: 218,
  update: 219,
  extractResponse: 301,
  configResponse: 302,
  resetResponse: 303,
  startRunResponse: 304,
  runStateChange: 305,
  runData: 306,
  runDataEnd: 307,
  getSystemIdentResponse: 308,
  syslogResponse: 309,
  systemStatsResponse: 310,
  readSystemIdentResponse: 311,
  resetSystemIdentResponse: 312,
  writeSystemIdentResponse: 313,
  readTemperatureResponse: 314,
  getOverloadStatusResponse: 315,
  udpDataStreamingRefused: 316,
  calibrationResponse: 317,
  updateResponse: 318,
  calibrateInit: 400,
  calibrateLane: 401,
  calibrateOffset: 402,
  calibrateFinalize: 403,
  calibrateData: 404,
  auth: 501,
  busy: 502,
  ping: 503,
  jit: 504,
  jitResponse: 505,
} as const

/** Fields below this number are a message's own (1 is its id), from here on they are kinds. */
export const FIRST_ARM = 100

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(ARM).map(([name, number]) => [number, name]))

/** `extractResponse`, or `message 999` for a kind that nobody has told us of; for logs and error texts. */
export function armName(arm: number): string {
  return NAMES.get(arm) ?? `message ${arm}`
}
