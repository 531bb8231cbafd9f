import { expect, test } from "bun:test"
import { Command } from "../../src/protocol/scp.ts"
import { effectOf, traitsOf } from "../../src/relay/scp-traits.ts"
import { type Asked, requestBytes } from "../support/scp-client.ts"

const effect = (asked: Asked) => effectOf(requestBytes(asked, 1))
const traits = (asked: Asked) => traitsOf(requestBytes(asked, 1))

/** The table of the wire facts §3 with the exceptions of §6.1. */
const TABLE: [name: string, asked: Asked, effect: string][] = [
  ["VER", { command: Command.VER }, "none"],
  ["RUN", { command: Command.RUN }, "more"],
  ["READ of SDRAM", { command: Command.READ, arg1: 0x6000_0000, arg2: 256 }, "none"],
  ["READ of sv", { command: Command.READ, arg1: 0xf500_7f00, arg2: 256 }, "none"],
  ["READ of DTCM", { command: Command.READ, arg1: 0x0040_0000, arg2: 4 }, "none"],
  ["READ of the P2P table", { command: Command.READ, arg1: 0xe101_0000, arg2: 256 }, "none"],
  ["READ of test-and-set", { command: Command.READ, arg1: 0xf200_0100, arg2: 4 }, "more"],
  ["READ into test-and-set", { command: Command.READ, arg1: 0xe200_00fc, arg2: 8 }, "more"],
  ["READ before test-and-set", { command: Command.READ, arg1: 0xf200_00fc, arg2: 4 }, "none"],
  ["READ of the comms controller", { command: Command.READ, arg1: 0x1000_0010, arg2: 4 }, "more"],
  ["READ of nothing known", { command: Command.READ, arg1: 0xffff_f030, arg2: 4 }, "more"],
  ["READ over the end of memory", { command: Command.READ, arg1: 0xffff_fffc, arg2: 256 }, "more"],
  ["WRITE to SDRAM", { command: Command.WRITE, arg1: 0x6010_0000, arg2: 256 }, "same"],
  ["WRITE to System RAM", { command: Command.WRITE, arg1: 0xe500_0000, arg2: 4 }, "same"],
  ["WRITE to a router register", { command: Command.WRITE, arg1: 0xe100_0000, arg2: 4 }, "more"],
  ["WRITE to the comms controller", { command: Command.WRITE, arg1: 0x1000_0000, arg2: 4 }, "more"],
  ["WRITE over the end of SDRAM", { command: Command.WRITE, arg1: 0x6fff_fffc, arg2: 8 }, "more"],
  ["APLX", { command: Command.APLX }, "more"],
  ["FILL of SDRAM", { command: Command.FILL, arg1: 0x6000_0000, arg3: 4096 }, "same"],
  ["FILL out of SDRAM", { command: Command.FILL, arg1: 0x6000_0000, arg3: 0x1000_0004 }, "more"],
  ["COUNT", { command: Command.COUNT }, "none"],
  ["REMAP", { command: Command.REMAP }, "more"],
  ["LINK_READ", { command: Command.LINK_READ, arg1: 0x6000_0000, arg2: 4 }, "none"],
  ["LINK_WRITE", { command: Command.LINK_WRITE, arg1: 0x6000_0000, arg2: 4 }, "same"],
  ["LINK_WRITE to a register", { command: Command.LINK_WRITE, arg1: 0x1100_0000, arg2: 4 }, "more"],
  ["AR", { command: Command.AR }, "more"],
  ["NNP with a new id", { command: Command.NNP, arg3: 0x8000_3f00 }, "more"],
  ["NNP", { command: Command.NNP, arg3: 0x3f00 }, "same"],
  ["APP_COPY_RUN", { command: Command.APP_COPY_RUN }, "more"],
  ["SIG sync0", { command: Command.SIG, arg1: 0, arg2: 4 << 16 }, "more"],
  ["SIG, the old count", { command: Command.SIG, arg1: 1 }, "none"],
  ["FFD", { command: Command.FFD }, "more"],
  ["AS", { command: Command.AS }, "more"],
  ["LED toggle", { command: Command.LED, arg1: 1 }, "more"],
  ["LED toggle of lamp 2 beside on", { command: Command.LED, arg1: 0b01_00_11 }, "more"],
  ["LED on and off", { command: Command.LED, arg1: 0b10_11 }, "same"],
  ["IPTAG NEW", { command: Command.IPTAG, arg1: 0 }, "more"],
  ["IPTAG SET", { command: Command.IPTAG, arg1: 1 << 16 }, "same"],
  ["IPTAG GET", { command: Command.IPTAG, arg1: 2 << 16 }, "none"],
  ["IPTAG CLR", { command: Command.IPTAG, arg1: 3 << 16 }, "same"],
  ["IPTAG TTO", { command: Command.IPTAG, arg1: 4 << 16, arg2: 9 }, "same"],
  ["IPTAG 5", { command: Command.IPTAG, arg1: 5 << 16 }, "more"],
  ["SROM read", { command: Command.SROM, arg1: 0x0100_0020 }, "none"],
  ["SROM write", { command: Command.SROM, arg1: 0x0100_0120 }, "more"],
  ["SROM erase", { command: Command.SROM, arg1: 0x00a0 }, "more"],
  ...[0, 1, 2, 3, 4, 5, 8].map((op): [string, Asked, string] => [
    `ALLOC ${op}`,
    { command: Command.ALLOC, arg1: 0x1e00 | op },
    "more",
  ]),
  ["ALLOC space", { command: Command.ALLOC, arg1: 6 }, "none"],
  ["ALLOC tag pointer", { command: Command.ALLOC, arg1: 7 }, "none"],
  ["RTR init", { command: Command.RTR, arg1: 0 }, "same"],
  ["RTR clear", { command: Command.RTR, arg1: 1 }, "more"],
  ["RTR load", { command: Command.RTR, arg1: 2 }, "same"],
  ["RTR fixed route set", { command: Command.RTR, arg1: 3 }, "same"],
  ["RTR fixed route get", { command: Command.RTR, arg1: 3, arg2: 0x8000_0000 }, "none"],
  ["command 30", { command: 30 }, "more"],
  ["INFO", { command: Command.INFO }, "none"],
  ["SYNC", { command: Command.SYNC }, "same"],
  ["BMP_INFO", { command: Command.BMP_INFO }, "none"],
  ["FLASH_COPY", { command: Command.FLASH_COPY }, "never-again"],
  ["FLASH_ERASE", { command: Command.FLASH_ERASE }, "never-again"],
  ["FLASH_WRITE", { command: Command.FLASH_WRITE }, "never-again"],
  ["BMP_SF read", { command: Command.BMP_SF, arg3: 0 }, "none"],
  ["BMP_SF write", { command: Command.BMP_SF, arg3: 1 }, "never-again"],
  ["BMP_EE write", { command: Command.BMP_EE, arg3: 1 }, "more"],
  ["RESET", { command: Command.RESET }, "never-again"],
  ["XILINX", { command: Command.XILINX }, "more"],
  ["POWER", { command: Command.POWER }, "never-again"],
  ["a stranger", { command: 200 }, "more"],
]

test.each(TABLE)("effectOf() %s", (_name, asked, expected) => {
  expect<string>(effect(asked)).toBe(expected)
})

test("a monitor's ordinary commands are quick, an application core's and slow ones are not", () => {
  expect(traits({ command: Command.VER })).toEqual({ effect: "none", quick: true, answerMs: 450 })
  expect(traits({ command: Command.VER, cpu: 3 })).toEqual({ effect: "none", quick: false, answerMs: 450 })
  expect(traits({ command: Command.APP_COPY_RUN })).toEqual({ effect: "more", quick: false, answerMs: 2_560 })
  expect(traits({ command: Command.POWER, arg1: 1 })).toEqual({ effect: "never-again", quick: false, answerMs: 10_000 })
  expect(traits({ command: Command.FILL, arg1: 0x6000_0000, arg3: 0x20_0000 }).quick).toBe(false)
  expect(traits({ command: Command.FILL, arg1: 0x6000_0000, arg3: 4096 }).quick).toBe(true)
  expect(traits({ command: Command.SROM, arg1: 0x0100_0020 }).quick).toBe(true)
  expect(traits({ command: Command.SROM, arg1: 0x0100_0060 }).quick).toBe(false)
})
