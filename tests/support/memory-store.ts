/** A store of secrets in memory, which can be made to fail. */
import { type SecretStore, StoreError } from "../../src/relay/secret-store.ts"

export class MemoryStore implements SecretStore {
  readonly name = "memory.json"
  saves = 0
  /** The disk is full. */
  full = false

  constructor(public text: string | undefined = undefined) {}

  load(): string | undefined {
    return this.text
  }

  save(text: string): void {
    if (this.full) throw new StoreError("Cannot write memory.json: the disk is full; make room and try again.")
    this.saves++
    this.text = text
  }
}
