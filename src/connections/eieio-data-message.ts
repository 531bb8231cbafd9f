/** `EIEIODataMessage`: an EIEIO data message that is filled element by element. */
import {
  EIEIO_MAX_DATA_MESSAGE,
  type EieioData,
  type EieioElement,
  type EieioType,
  eieioElementBytes,
  eieioHasPayload,
  eieioHeaderBytes,
  eieioKeyBytes,
} from "../protocol/eieio.ts"
import { SpinnmanInvalidPacketException } from "./exceptions.ts"
import { checkRange } from "./sdp-header.ts"

/** The header of a message to be filled. */
export type EIEIODataHeader = Partial<Omit<EieioData, "kind" | "type" | "elements">> & { readonly type: EieioType }

/** Collects elements and checks them; `message` is what an EIEIOConnection sends. */
export class EIEIODataMessage {
  readonly #header: Omit<EieioData, "elements">
  readonly #elements: EieioElement[] = []
  #readOnly = false

  /** A message that was received: it can be read, and nothing can be added. */
  static received(message: EieioData): EIEIODataMessage {
    const { elements, ...header } = message
    const received = new EIEIODataMessage(header)
    received.#elements.push(...elements)
    received.#readOnly = true
    return received
  }

  /** An empty message. Throws SpinnmanInvalidParameterException for a prefix or base that its field cannot hold. */
  constructor(header: EIEIODataHeader) {
    if (header.keyPrefix) checkRange("key prefix", header.keyPrefix.value, 0xffff)
    if (header.payloadBase !== undefined) checkRange("payload base", header.payloadBase, largest(header.type))
    this.#header = { kind: "data", tag: 0, timestamps: false, ...header }
  }

  /** Elements that fit in the 256 bytes that a board takes. */
  get maxNElements(): number {
    return Math.floor((EIEIO_MAX_DATA_MESSAGE - eieioHeaderBytes(this.#header)) / eieioElementBytes(this.#header.type))
  }

  /** Elements so far: the message's count byte. */
  get nElements(): number {
    return this.#elements.length
  }

  /**
   * Adds a key, with a payload where the type has one. Throws SpinnmanInvalidParameterException for a key or payload
   * above the type's maximum, a payload too many or too few, and an element too many (which SpiNNMan lets pass);
   * SpinnmanInvalidPacketException if the message was received.
   */
  addElement(key: number, payload?: number): void {
    if (this.#readOnly) {
      throw new SpinnmanInvalidPacketException("EIEIO data", "elements cannot be added to a message that was received")
    }
    const { type } = this.#header
    checkRange("number of elements", this.nElements + 1, this.maxNElements)
    checkRange("key", key, largest(type))
    if (!eieioHasPayload(type)) checkRange("number of payloads", payload === undefined ? 0 : 1, 0)
    else checkRange("payload", payload ?? Number.NaN, largest(type))
    this.#elements.push(payload === undefined ? { key } : { key, payload })
  }

  /** The message as it stands. */
  get message(): EieioData {
    return { ...this.#header, elements: [...this.#elements] }
  }
}

const largest = (type: EieioType): number => (eieioKeyBytes(type) === 2 ? 0xffff : 0xffff_ffff)
