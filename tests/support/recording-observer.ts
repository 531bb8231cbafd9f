/** An observer that remembers, for assertions. */
import type { Event } from "../../src/observe/events.ts"
import type { DropReason, Observer } from "../../src/observe/observer.ts"

export class RecordingObserver implements Observer {
  readonly events: Event[] = []
  readonly dropped = new Map<DropReason, number>()

  event(event: Event): void {
    this.events.push(event)
  }

  drop(reason: DropReason, _where: string, count = 1): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + count)
  }

  /** The events of one type, in order. */
  of<T extends Event["type"]>(type: T): Extract<Event, { type: T }>[] {
    return this.events.filter((event): event is Extract<Event, { type: T }> => event.type === type)
  }
}
