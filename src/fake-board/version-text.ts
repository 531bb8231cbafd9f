/** The body of a VER reply as SC&MP, SARK and BMPs make it. Source: spinnaker_tools 4.0.0, cmd_ver; tests/captures. */

/** What a VER reply says; see protocol/version.ts for the reading side. */
export interface VersionInfo {
  /** arg1: for SC&MP x << 24 | y << 16 | physical core << 8 | virtual core. */
  readonly identity: number
  /** "SC&MP/SpiNNaker". */
  readonly name: string
  /** "3.4.1" in the new style; for the old style, major * 100 + minor as a number. */
  readonly version: string | number
  /** Unix time in seconds. */
  readonly buildTime: number
}

/** Most data bytes in one SCP message, as VER announces it. */
const BUFFER_SIZE = 256
/** The version number that says "look for the version in the text". */
const VERSION_IN_TEXT = 0xffff

/** The reply's body: three words, then the name and (new style) the version, each with its NUL. */
export function versionBody(info: VersionInfo): Uint8Array {
  const newStyle = typeof info.version === "string"
  const text = Buffer.from(newStyle ? `${info.name}\0${info.version}\0` : `${info.name}\0`, "latin1")
  const body = new Uint8Array(12 + text.length)
  const view = new DataView(body.buffer)
  view.setUint32(0, info.identity >>> 0, true)
  const number = typeof info.version === "number" ? info.version : VERSION_IN_TEXT
  view.setUint32(4, ((number << 16) | BUFFER_SIZE) >>> 0, true)
  view.setUint32(8, info.buildTime >>> 0, true)
  body.set(text, 12)
  return body
}
