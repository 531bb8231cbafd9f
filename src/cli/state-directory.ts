/** Where this system keeps what a program remembers between runs. */
import { posix, win32 } from "node:path"

const NAME = "spinnaker-relay"

/** The directory, which may not exist yet; undefined where the environment names no home. */
export function stateDirectory(
  platform: string,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (platform === "win32") return absolute(win32, env.LOCALAPPDATA)
  // A service of systemd with StateDirectory= is told its own.
  const given = env.STATE_DIRECTORY?.split(":")[0]
  if (given && posix.isAbsolute(given)) return given
  if (platform === "darwin") return absolute(posix, env.HOME, "Library", "Application Support")
  return absolute(posix, env.XDG_STATE_HOME) ?? absolute(posix, env.HOME, ".local", "state")
}

function absolute(path: typeof posix, base: string | undefined, ...more: string[]): string | undefined {
  return base && path.isAbsolute(base) ? path.join(base, ...more, NAME) : undefined
}
