import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Calls `act` at a steady rate, whether or not earlier calls have ended.
 * @param rate calls a second
 * @returns a function that stops this and waits for all calls
 */
export function repeatSteadily(rate: number, act: () => Promise<void>): () => Promise<void> {
  const open = new Set<Promise<void>>()
  let isRunning = true
  const loop = (async () => {
    const began = performance.now()
    for (let count = 0; isRunning; count++) {
      await sleep(Math.max(0, began + (count * 1000) / rate - performance.now()))
      const call = act().finally(() => open.delete(call))
      open.add(call)
    }
    await Promise.all(open)
  })()
  return async () => {
    isRunning = false
    await loop
  }
}
