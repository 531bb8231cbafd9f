/** The part of the Python spalloc client's configuration files that these tools need. */

/** What a file may say. */
export interface ClientConfig {
  readonly hostname?: string
  readonly port?: number
  readonly owner?: string
}

/** Where the Python client looks, the last one winning. */
export function clientConfigFiles(
  platform: string,
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const home = env.HOME
  if (platform === "win32") return [...(env.LOCALAPPDATA ? [`${env.LOCALAPPDATA}\\spalloc\\spalloc`] : []), ".spalloc"]
  const library = "Library/Application Support/spalloc"
  if (platform === "darwin") return [`/${library}`, ...(home ? [`${home}/${library}`] : []), ".spalloc"]
  const system = env.XDG_CONFIG_DIRS?.split(":")[0] || "/etc/xdg"
  const user = env.XDG_CONFIG_HOME || (home && `${home}/.config`)
  return [`${system}/spalloc`, ...(user ? [`${user}/spalloc`] : []), ".spalloc"]
}

/** Reads INI text; only the section `[spalloc]` counts, and lines that are not understood are nothing. */
export function parseClientConfig(text: string): ClientConfig {
  const found: { hostname?: string; port?: number; owner?: string } = {}
  let section = ""
  for (const line of text.split(/\r?\n/)) {
    const header = /^\s*\[([^\]]*)\]/.exec(line)
    if (header) section = header[1]!.trim()
    const option = /^\s*([A-Za-z_]+)\s*[=:]\s*(.*?)\s*$/.exec(line)
    if (section !== "spalloc" || !option) continue
    const [, name, value = ""] = option
    if (name === "hostname" && value !== "") found.hostname = value
    if (name === "owner" && value !== "") found.owner = value
    if (name === "port" && /^\d{1,5}$/.test(value)) found.port = Number(value)
  }
  return found
}
