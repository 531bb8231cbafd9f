/** What a client sends, cut into the messages of the language that it turns out to speak, no faster than they are dealt with. */
import { FrameDecoder } from "./frame.ts"
import { JsonDecoder } from "./json-lines.ts"
import { type Language, sniff } from "./sniff.ts"

/** What the owner of a reader does with it all. Messages are on loan. */
export interface ReaderOwner {
  /** The first bytes have told the language; its first message follows if the owner is ready. */
  onLanguage(): void
  onFrame(body: Uint8Array): void
  onObject(object: Uint8Array): void
  /** Nothing more can be read, and why. */
  onTrouble(detail: string): void
  /** Whether one more message may come now. */
  ready(): boolean
}

/** The reader. */
export class ClientReader {
  /** Undefined until the first bytes have told. */
  language: Extract<Language, "protobuf" | "json"> | undefined
  readonly #owner: ReaderOwner
  readonly #decoder = new FrameDecoder()
  readonly #jsonDecoder = new JsonDecoder()
  /** What has come and was not read yet, in order: a beginning, or the rest of what came in one piece. */
  #unread: Uint8Array[] = []
  #reading = false

  constructor(owner: ReaderOwner) {
    this.#owner = owner
  }

  /** Takes what has come. */
  push(chunk: Uint8Array): void {
    this.#unread.push(chunk)
    this.read()
  }

  /** Goes on where the owner was not ready: that a connection is paused does not stop what came of it in one piece. */
  read(): void {
    if (this.#reading) return
    this.#reading = true
    while (this.#unread.length > 0 && this.#owner.ready()) {
      if (this.language === undefined && !this.#toldLanguage()) break
      this.#cut(this.#unread.shift()!)
    }
    this.#reading = false
  }

  /** Forgets what was not read. */
  close(): void {
    this.#unread = []
  }

  /** False where more bytes are needed, or none will do, or the owner has heard enough. */
  #toldLanguage(): boolean {
    const bytes = this.#unread.length === 1 ? this.#unread[0]! : Buffer.concat(this.#unread)
    this.#unread = [bytes]
    const language = sniff(bytes)
    if (language === "more") return false
    if (language === "neither") {
      this.#owner.onTrouble("its first bytes are of no language that is spoken here")
      return false
    }
    this.language = language
    this.#owner.onLanguage()
    return this.#owner.ready()
  }

  #cut(chunk: Uint8Array): void {
    const { rest, trouble } = this.language === "json" ? this.#objects(chunk) : this.#frames(chunk)
    if (rest.length > 0) this.#unread.unshift(rest)
    if (trouble !== undefined) this.#owner.onTrouble(trouble)
  }

  #frames(chunk: Uint8Array): { rest: Uint8Array; trouble: string | undefined } {
    const error = this.#decoder.push(chunk, (body) => {
      this.#owner.onFrame(body)
      return this.#owner.ready()
    })
    const trouble =
      error?.code === "frame-too-long"
        ? `it announced a message of ${error.length} bytes: expected at most ${error.limit}`
        : error && "it sent no frame of this protocol"
    return { rest: this.#decoder.rest, trouble }
  }

  #objects(chunk: Uint8Array): { rest: Uint8Array; trouble: string | undefined } {
    const error = this.#jsonDecoder.push(chunk, (object) => {
      this.#owner.onObject(object)
      return this.#owner.ready()
    })
    return { rest: this.#jsonDecoder.rest, trouble: error && `it sent a line of more than ${error.limit} bytes` }
  }
}
