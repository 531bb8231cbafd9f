/**
 * Which program is under test: the sources run by this Bun, or whatever SPINNAKER_RELAY_BINARY names.
 * The demo, the end-to-end tests, the smoke test and the bench all ask here.
 */
import { join } from "node:path"

/** Top of the checkout. */
export const ROOT = join(import.meta.dir, "..", "..")
/** Environment variable that names the command to run instead of the sources. */
export const BINARY_VARIABLE = "SPINNAKER_RELAY_BINARY"
/** Environment variable that multiplies every time limit, for emulators: `5` makes 10 s 50 s. */
export const PATIENCE_VARIABLE = "SPINNAKER_RELAY_PATIENCE"

/** Environment variable that says that the command runs in Wine, which is not all that Windows is. */
export const WINE_VARIABLE = "SPINNAKER_RELAY_WINE"

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The words of a command: a JSON array of strings where the text begins with `[`, otherwise split at white space
 * (`qemu-aarch64 -L /usr/aarch64-linux-gnu dist/spinnaker-relay-linux-arm64`). Use the array for a path with a space.
 * Throws SyntaxError for text that holds no command.
 */
export function parseCommand(text: string): string[] {
  if (!text.trimStart().startsWith("[")) {
    const words = text.split(/\s+/).filter((word) => word !== "")
    if (words.length === 0)
      throw new SyntaxError(`Cannot read a command from ${JSON.stringify(text)}: expected a program`)
    return words
  }
  const value: unknown = JSON.parse(text)
  if (!Array.isArray(value) || value.length === 0 || !value.every((word) => typeof word === "string")) {
    throw new SyntaxError(`Cannot read a command from ${text}: expected a JSON array of strings, the program first`)
  }
  return value
}

/** The command that starts the relay, to which its arguments are appended; paths in it count from where one stands. */
export function relayCommand(env: Environment = process.env): string[] {
  const named = env[BINARY_VARIABLE]
  return named ? parseCommand(named) : [process.execPath, join(ROOT, "src", "main.ts")]
}

/** True if the program under test runs in Wine: signals end Wine itself, and a UDP port is taken on all of 127.0.0.0/8. */
export function underWine(env: Environment = process.env): boolean {
  return env[WINE_VARIABLE] === "1"
}

/** `ms`, times what SPINNAKER_RELAY_PATIENCE says. */
export function patient(ms: number, env: Environment = process.env): number {
  const factor = Number(env[PATIENCE_VARIABLE] ?? "1")
  return factor >= 1 ? ms * factor : ms
}
