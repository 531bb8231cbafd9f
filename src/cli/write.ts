/** `spinnaker-relay write`: a file into a board's memory. */
import { readMemory, writeMemory } from "../connections/memory-access.ts"
import { CliError, type Command, type CommandIo, type Parsed } from "./command.ts"
import { inWords } from "./failure.ts"
import { readFile } from "./files.ts"
import { machineTarget } from "./machine-target.ts"
import { MEMORY_OPTIONS, memoryPlace, withPipeline } from "./memory-options.ts"
import { parseSize } from "./numbers.ts"
import { ProgressBar } from "./progress.ts"

export const writeCommand: Command = {
  name: "write",
  positionals: "<host> <address> <file>",
  summary: "Write a file into a booted board's memory",
  options: [...MEMORY_OPTIONS, { name: "verify", description: "Read it back and compare" }],
  examples: ["spinnaker-relay write 192.168.240.1 0x60000000 sdram.bin --verify"],
  run: runWrite,
}

async function runWrite(parsed: Parsed, io: CommandIo): Promise<number> {
  const target = machineTarget(parsed)
  const [, addressText = "", file = ""] = parsed.positionals
  const address = parseSize("address", addressText, { min: 0, max: 0xffff_ffff })
  const data = await readFile(file)
  if (address + data.length > 2 ** 32) {
    throw new CliError(`${file} has ${data.length} bytes: too many behind 0x${address.toString(16)}.`)
  }
  const place = { ...memoryPlace(parsed), address }
  const bar = new ProgressBar(io)
  const what = `Writing ${data.length} bytes at 0x${address.toString(16)}`
  try {
    await inWords(io, { what, label: target.label }, () =>
      withPipeline(parsed, io, target, async (pipeline) => {
        await writeMemory(pipeline, { ...place, data }, (done, total) => bar.update("writing", done, total, "bytes"))
        if (!parsed.flag("verify")) return
        const back = await readMemory(pipeline, { ...place, length: data.length }, (done, total) =>
          bar.update("verifying", done, total, "bytes"),
        )
        compare(data, back, address)
      }),
    )
  } finally {
    bar.end()
  }
  return 0
}

function compare(data: Uint8Array, back: Uint8Array, address: number): void {
  const at = data.findIndex((byte, index) => byte !== back[index])
  if (at < 0) return
  const [wanted, found] = [data[at]!, back[at]!].map((byte) => `0x${byte.toString(16).padStart(2, "0")}`)
  const where = `0x${(address + at).toString(16)}`
  throw new CliError(
    `Memory differs at ${where}: wrote ${wanted}, read ${found}. Something else writes there, or it is no memory.`,
  )
}
