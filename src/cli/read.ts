/** `spinnaker-relay read`: a board's memory into a file, or onto the screen. */
import { readMemory } from "../connections/memory-access.ts"
import { type Command, type CommandIo, type Parsed, UsageError } from "./command.ts"
import { inWords } from "./failure.ts"
import { writeFile } from "./files.ts"
import { hexDump } from "./hex-dump.ts"
import { machineTarget } from "./machine-target.ts"
import { MEMORY_OPTIONS, memoryPlace, withPipeline } from "./memory-options.ts"
import { parseSize } from "./numbers.ts"
import { ProgressBar } from "./progress.ts"

/** Most bytes in one go: twice a chip's SDRAM. */
const MOST_BYTES = 256 << 20

export const readCommand: Command = {
  name: "read",
  positionals: "<host> <address> <length> [file]",
  summary: "Read a booted board's memory into a file, or show it",
  options: MEMORY_OPTIONS,
  examples: [
    "spinnaker-relay read 192.168.240.1 0x60000000 1M sdram.bin",
    "spinnaker-relay read localhost 0xf5007f00 256",
  ],
  run: runRead,
}

async function runRead(parsed: Parsed, io: CommandIo): Promise<number> {
  const target = machineTarget(parsed)
  const [, addressText = "", lengthText = "", file] = parsed.positionals
  const address = parseSize("address", addressText, { min: 0, max: 0xffff_ffff })
  const length = parseSize("length", lengthText, { min: 1, max: Math.min(MOST_BYTES, 2 ** 32 - address) })
  if (file === "-") throw new UsageError('"-": memory is bytes and standard output is text here; name a file')
  const place = { ...memoryPlace(parsed), address, length }
  const bar = new ProgressBar(io)
  const show = file === undefined ? () => {} : (done: number) => bar.update("reading", done, length, "bytes")
  const what = `Reading ${length} bytes at 0x${address.toString(16)}`
  try {
    const memory = await inWords(io, { what, label: target.label }, () =>
      withPipeline(parsed, io, target, (pipeline) => readMemory(pipeline, place, show)),
    )
    if (file === undefined) io.stdout(hexDump(memory, address))
    else await writeFile(file, memory)
  } finally {
    bar.end()
  }
  return 0
}
