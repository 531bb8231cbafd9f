/** Every word that can follow `spinnaker-relay`. */
import { boardCommand } from "./board.ts"
import { bootCommand } from "./boot.ts"
import { clientCommand } from "./client.ts"
import type { Command } from "./command.ts"
import { discoverCommand } from "./discover.ts"
import { infoCommand } from "./info.ts"
import { joinCommand } from "./join.ts"
import { lucidacCommand } from "./lucidac.ts"
import { lucidacFakeCommand } from "./lucidac-fake.ts"
import { powerCommand } from "./power.ts"
import { readCommand } from "./read.ts"
import { relayCommand } from "./relay.ts"
import { serverCommand } from "./server.ts"
import { spallocCommand } from "./spalloc.ts"
import {
  spallocDestroyCommand,
  spallocMachineCommand,
  spallocPsCommand,
  spallocWhereIsCommand,
} from "./spalloc-tools.ts"
import { writeCommand } from "./write.ts"

export const commands: readonly Command[] = [
  relayCommand,
  serverCommand,
  joinCommand,
  clientCommand,
  boardCommand,
  bootCommand,
  infoCommand,
  readCommand,
  writeCommand,
  discoverCommand,
  powerCommand,
  spallocCommand,
  spallocPsCommand,
  spallocMachineCommand,
  spallocWhereIsCommand,
  spallocDestroyCommand,
  lucidacCommand,
  lucidacFakeCommand,
]
