/** Reads a configuration file of either kind: our TOML, or the Java server's JSON. */
import { formatComplaints } from "../config/complaint.ts"
import type { SpallocConfig } from "./config.ts"
import { readJavaConfig } from "./java-config.ts"
import { readTomlConfig } from "./toml-config.ts"

/** Complaints that are shown. */
const MAX_SHOWN = 20

/**
 * The configuration in `text`; `file` is what complaints call it. All complaints, a line each with line and column (for
 * JSON, which is not ours, with the path), if anything is wrong.
 */
export function readSpallocConfig(
  text: string,
  file: string,
): { readonly ok: true; readonly config: SpallocConfig } | { readonly ok: false; readonly complaints: string } {
  if (/^\ufeff?\s*\{/.test(text)) {
    const read = readJavaConfig(text.replace(/^\ufeff/, ""))
    if (read.ok) return { ok: true, config: read.value }
    return {
      ok: false,
      complaints: read.complaints
        .slice(0, MAX_SHOWN)
        .map((line) => `${file}: ${line}`)
        .join("\n"),
    }
  }
  const read = readTomlConfig(text)
  return read.ok
    ? { ok: true, config: read.value }
    : { ok: false, complaints: formatComplaints(file, read.complaints, MAX_SHOWN) }
}
