/** The README, for tests that hold it to what the program does. */

/** All of it. */
export const README = await Bun.file(new URL("../../README.md", import.meta.url)).text()

/** The part under the heading of that name, up to the next of its level. */
export function readmeSection(title: string): string {
  const level = new RegExp(`^(#+) ${title}$`, "m").exec(README)?.[1]
  const part = level && new RegExp(`^${level} ${title}\\n([\\s\\S]*?)(?=^${level} |$(?![\\s\\S]))`, "m").exec(README)
  if (!part) throw new Error(`The README has no section ${JSON.stringify(title)}`)
  return part[1]!
}

/** The first block of that language in the section of that name. */
export function readmeBlock(title: string, language = ""): string {
  const block = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(readmeSection(title))
  if (!block) throw new Error(`The README's section ${JSON.stringify(title)} has no ${language} block`)
  return block[1]!
}

/** The configuration of a server in it, every key explained. */
export const SERVER_EXAMPLE = readmeBlock("Several boards", "toml")
