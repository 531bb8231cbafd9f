/**
 * The life of one SCP request at the board's side of a relay, as a pure state machine: it waits for a slot, is with the
 * board, is tried again, is answered. The network's repeats end here; what goes to the board is what this says.
 */
import type { Traits } from "./scp-traits.ts"

/** Local retries of a lost request that may be tried again. */
export const MAX_RETRIES = 2

/** Where a request stands. Times are the clock's. */
export type ExchangeState =
  /** It waits for its first slot; the board has not seen it. */
  | { readonly kind: "new" }
  /** The board has it, and the last send on its client's behalf was `at`. */
  | { readonly kind: "sent"; readonly at: number; readonly retries: number }
  /** It waits for a slot to be tried again, by the relay's own decision. */
  | { readonly kind: "retrying"; readonly at: number; readonly retries: number }
  /** It waits for a slot to be sent again because its client has repeated it after the board's silence. */
  | { readonly kind: "repeating"; readonly at: number }
  /** It has had its answer, or was dropped: nothing becomes of it any more. */
  | { readonly kind: "over" }

/** What happens to a request. */
export type ExchangeEvent =
  /** A slot is free and it is this request's turn. */
  | "turn"
  /** The client has sent the same bytes again. */
  | "repeat"
  /** A slot's time is over without an answer. */
  | "silence"
  /** It has waited for a slot as long as anybody waits for an answer. */
  | "wait-over"
  /** The board has answered. */
  | "answer"

/** What is to be done. */
export type ExchangeAction =
  | "nothing"
  /** Send it to the board. */
  | "send"
  /** Ask for a slot. */
  | "ask"
  /** Count a repeat that goes nowhere. */
  | "absorb"
  /** Give the answer to the client and forget the request. */
  | "deliver"
  /** Count one send that was not made in time; the request itself stays. */
  | "give-up-send"
  /** Count it as dropped and forget it. */
  | "drop"

/** Next state and what to do. */
export interface ExchangeStep {
  readonly state: ExchangeState
  readonly action: ExchangeAction
}

const over: ExchangeState = { kind: "over" }

/** One step. */
export function stepExchange(state: ExchangeState, event: ExchangeEvent, traits: Traits, now: number): ExchangeStep {
  switch (state.kind) {
    case "new":
      return stepNew(state, event, now)
    case "sent":
      return stepSent(state, event, traits, now)
    case "retrying":
      return stepRetrying(state, event, traits, now)
    case "repeating":
      return stepRepeating(state, event, now)
    case "over":
      return stay(state)
  }
}

type In<K extends ExchangeState["kind"]> = Extract<ExchangeState, { kind: K }>

const stay = (state: ExchangeState, action: ExchangeAction = "nothing"): ExchangeStep => ({ state, action })

function stepNew(state: In<"new">, event: ExchangeEvent, now: number): ExchangeStep {
  switch (event) {
    case "turn":
      return { state: { kind: "sent", at: now, retries: 0 }, action: "send" }
    case "repeat":
      return stay(state, "absorb")
    case "wait-over":
      return { state: over, action: "drop" }
    case "silence":
    case "answer":
      return stay(state)
  }
}

function stepSent(state: In<"sent">, event: ExchangeEvent, traits: Traits, now: number): ExchangeStep {
  switch (event) {
    case "repeat":
      if (!isSilent(state.at, traits, now)) return stay(state, "absorb")
      return { state: { kind: "repeating", at: state.at }, action: "ask" }
    case "silence":
      if (!mayRetry(traits) || state.retries >= MAX_RETRIES) return stay(state)
      return { state: { kind: "retrying", at: state.at, retries: state.retries }, action: "ask" }
    case "answer":
      return { state: over, action: "deliver" }
    case "turn":
    case "wait-over":
      return stay(state)
  }
}

function stepRetrying(state: In<"retrying">, event: ExchangeEvent, traits: Traits, now: number): ExchangeStep {
  switch (event) {
    case "turn":
      return { state: { kind: "sent", at: state.at, retries: state.retries + 1 }, action: "send" }
    case "repeat":
      // It is in the queue already; from now on it is there for its client.
      return isSilent(state.at, traits, now)
        ? { state: { kind: "repeating", at: state.at }, action: "absorb" }
        : stay(state, "absorb")
    case "wait-over":
      return { state: { kind: "sent", at: state.at, retries: MAX_RETRIES }, action: "give-up-send" }
    case "answer":
      return { state: over, action: "deliver" }
    case "silence":
      return stay(state)
  }
}

function stepRepeating(state: In<"repeating">, event: ExchangeEvent, now: number): ExchangeStep {
  switch (event) {
    case "turn":
      return { state: { kind: "sent", at: now, retries: 0 }, action: "send" }
    case "repeat":
      return stay(state, "absorb")
    case "wait-over":
      return { state: { kind: "sent", at: state.at, retries: MAX_RETRIES }, action: "give-up-send" }
    case "answer":
      return { state: over, action: "deliver" }
    case "silence":
      return stay(state)
  }
}

/** True if the board has had its time to answer what was sent at `at`, and a repeat may go to it. */
function isSilent(at: number, traits: Traits, now: number): boolean {
  return traits.effect !== "never-again" && now - at >= traits.answerMs
}

/** True if a lost request is tried again without being asked: quick, and harmless if only its answer was lost. */
function mayRetry(traits: Traits): boolean {
  return traits.quick && (traits.effect === "none" || traits.effect === "same")
}
