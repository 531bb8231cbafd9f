/** The last proofs that were made by who knows a key: one that comes again is said by somebody who has listened. */

/** Proofs remembered. */
export const SEEN_PROOFS = 1024

/** Remembers proofs. */
export class SeenProofs {
  readonly #seen = new Set<string>()

  /** True for a proof that has come before, and is not forgotten. */
  has(proof: Uint8Array): boolean {
    return this.#seen.has(nameOf(proof))
  }

  /** A proof has come. Only those by who knows a key: others must not make these forgotten. */
  add(proof: Uint8Array): void {
    this.#seen.add(nameOf(proof))
    if (this.#seen.size > SEEN_PROOFS) this.#seen.delete(this.#seen.keys().next().value!)
  }
}

const nameOf = (proof: Uint8Array): string => Buffer.from(proof).toString("base64")
