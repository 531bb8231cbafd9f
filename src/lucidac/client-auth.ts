/** Whether one client has shown the secret: it has a time for it, a number of attempts, and waits for each verdict. */
import type { Clock, Timer } from "../transport/clock.ts"
import type { AuthGuard } from "./auth-guard.ts"

/** Wrong tokens on one connection before it is closed. */
export const MAX_ATTEMPTS = 5
/** A connection must show the secret within this time. */
export const AUTH_DEADLINE_MS = 10_000
/** How often the end of a verdict is looked for. */
const VERDICT_MS = 500

/** What it works with, and what it decides. */
export interface ClientAuthOptions {
  /** Undefined where no secret is asked for. */
  readonly guard: AuthGuard | undefined
  readonly host: string
  readonly clock: Clock
  /** The client knows the secret; false where there is no place for it all the same. */
  readonly admit: () => boolean
  readonly onMiss: () => void
  /** The client is to be sent away: with which words, and what a log says of it. */
  readonly giveUp: (text: string, detail: string) => void
}

/** The authentication of one client. */
export class ClientAuth {
  readonly #options: ClientAuthOptions
  #known: boolean
  #misses = 0
  #checking = false
  #closed = false
  #deadline: Timer | undefined

  constructor(options: ClientAuthOptions) {
    this.#options = options
    this.#known = options.guard === undefined
    if (!this.#known) this.#await(AUTH_DEADLINE_MS)
  }

  /** It has shown the secret, or need not. */
  get known(): boolean {
    return this.#known
  }

  /** Checks a token; one of the two is called, later where the address has guessed wrong before. */
  check(token: string, say: { readonly ok: () => void; readonly failed: () => void }): void {
    const { guard, host, clock, onMiss } = this.#options
    if (!guard || this.#known) {
      say.ok()
      return
    }
    // Guesses in a row without waiting for the verdict are none.
    if (this.#checking) return
    const { ok, delayMs } = guard.check(host, token, clock.now())
    if (!ok) onMiss()
    const tell = (): void => {
      this.#checking = false
      if (this.#closed) return
      if (ok) this.#admit(say.ok)
      else this.#miss(say.failed)
    }
    this.#checking = true
    if (delayMs === 0) tell()
    else clock.after(delayMs, tell)
  }

  /** The client is gone, or going: there will be no verdict any more. */
  close(): void {
    this.#closed = true
    this.#deadline?.cancel()
  }

  #await(forMs: number): void {
    this.#deadline = this.#options.clock.after(forMs, () => {
      // One that waits for its verdict is late through no fault of its own.
      if (this.#checking) this.#await(VERDICT_MS)
      else {
        this.#options.giveUp(
          `Authentication required: no token came in ${AUTH_DEADLINE_MS / 1000} s`,
          "it did not authenticate",
        )
      }
    })
  }

  #admit(say: () => void): void {
    this.#deadline?.cancel()
    this.#known = true
    if (this.#options.admit()) say()
  }

  #miss(say: () => void): void {
    say()
    if (++this.#misses < MAX_ATTEMPTS) return
    this.#options.giveUp(`Authentication failed ${MAX_ATTEMPTS} times`, "it did not know the secret")
  }
}
