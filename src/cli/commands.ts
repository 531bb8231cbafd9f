/** Every word that can follow `spinnaker-relay`. */
import { boardCommand } from "./board.ts"
import type { Command } from "./command.ts"
import { relayCommand } from "./relay.ts"

export const commands: readonly Command[] = [relayCommand, boardCommand]
