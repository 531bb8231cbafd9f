/** A device's state changes as a client of several devices needs them: each names the carrier that it is about. */
import { carrierOf, carrierPath } from "./entity-path.ts"
import { type V1Message, withPayload } from "./envelope.ts"
import { decodePayload, encodePayload } from "./payload.ts"
import { type RunStateChangeMessage, RunStateChangeMessageSchema } from "./proto/lucidac_pb.ts"

/** A state change, and the envelopes that tell a client of it. */
export interface NamedStateChange {
  readonly change: RunStateChangeMessage
  readonly bodies: readonly Uint8Array[]
}

/**
 * The state change in `message` with the entity set; undefined where it cannot be read. One that names a carrier of its
 * backend stays as it is; one that names none is about every carrier of it, so it is told once for each.
 */
export function nameCarriers(message: V1Message, carriers: readonly string[]): NamedStateChange | undefined {
  const change = decodePayload(RunStateChangeMessageSchema, message.payload)
  if (!change) return undefined
  const own = carrierOf(change.entity?.path ?? "")
  if (own !== "" && carriers.includes(own)) return { change, bodies: [message.body] }
  if (carriers.length === 0) return { change, bodies: [message.body] }
  const bodies = carriers.map((carrier) => {
    const entity = { $typeName: "spinnaker_relay.lucidac.EntityId" as const, path: carrierPath(carrier) }
    return withPayload(message, encodePayload(RunStateChangeMessageSchema, { ...change, entity }))
  })
  return { change, bodies }
}
