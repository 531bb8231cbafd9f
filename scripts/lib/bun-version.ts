/** Whether this Bun is new enough: Bun itself does not look at `engines`. */
import packageJson from "../../package.json"

/** The command that runs `script` with the right Bun on a machine that has only Node and npm. */
export function npxCommand(script: string): string {
  return `npx --yes ${packageJson.packageManager} run ${script}`
}

/** What is wrong with Bun `version`, and the cure; undefined if nothing is. */
export function bunVersionProblem(version: string, script: string): string | undefined {
  const range = packageJson.engines.bun
  if (Bun.semver.satisfies(version, range)) return undefined
  return (
    `This is Bun ${version}, but the project needs ${range}: older ones do not check a TLS peer's certificate, ` +
    `leave out datagrams of a batch, and have no \`bun check\`. Run: ${npxCommand(script)}`
  )
}
