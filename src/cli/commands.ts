/** Every word that can follow `spinnaker-relay`. */
import { boardCommand } from "./board.ts"
import { bootCommand } from "./boot.ts"
import { clientCommand } from "./client.ts"
import type { Command } from "./command.ts"
import { discoverCommand } from "./discover.ts"
import { infoCommand } from "./info.ts"
import { inviteCommand } from "./invite.ts"
import { invitesCommand } from "./invites.ts"
import { joinCommand } from "./join.ts"
import { kickCommand } from "./kick.ts"
import { lucidacCommand } from "./lucidac.ts"
import { lucidacFakeCommand } from "./lucidac-fake.ts"
import { powerCommand } from "./power.ts"
import { readCommand } from "./read.ts"
import { relayCommand } from "./relay.ts"
import { reloadCommand } from "./reload.ts"
import { revokeCommand } from "./revoke.ts"
import { serverCommand } from "./server.ts"
import { spallocCommand } from "./spalloc.ts"
import { spallocBoardsCommand, spallocRestoreCommand } from "./spalloc-boards.ts"
import {
  spallocDestroyCommand,
  spallocMachineCommand,
  spallocPsCommand,
  spallocWhereIsCommand,
} from "./spalloc-tools.ts"
import { statusCommand } from "./status.ts"
import { writeCommand } from "./write.ts"

export const commands: readonly Command[] = [
  relayCommand,
  serverCommand,
  inviteCommand,
  invitesCommand,
  joinCommand,
  clientCommand,
  statusCommand,
  revokeCommand,
  kickCommand,
  reloadCommand,
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
  spallocBoardsCommand,
  spallocRestoreCommand,
  lucidacCommand,
  lucidacFakeCommand,
]
