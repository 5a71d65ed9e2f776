import { setTimeout as sleep } from 'node:timers/promises'

/** Calls `ask` so often a second, whether or not earlier ones have ended. @returns what ends it, and waits for all */
export function repeatSteadily(rate: number, ask: () => Promise<void>): () => Promise<void> {
  const open = new Set<Promise<void>>()
  let running = true
  const client = (async () => {
    const began = performance.now()
    for (let count = 0; running; count++) {
      await sleep(Math.max(0, began + (count * 1000) / rate - performance.now()))
      const asked = ask().finally(() => open.delete(asked))
      open.add(asked)
    }
    await Promise.all(open)
  })()
  return async () => {
    running = false
    await client
  }
}
