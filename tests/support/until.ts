/** Waiting for something that no event tells: looks again each turn of the event loop, and fails after a limit. */

/** Resolves once `condition` holds; rejects, naming `what`, after `limitMs`. */
export async function until(condition: () => boolean, what: string, limitMs = 5_000): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited ${limitMs} ms in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
