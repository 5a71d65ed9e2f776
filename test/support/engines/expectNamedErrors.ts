import { expect } from 'vitest'
import { RotationError } from '../../../rotation/errors.ts'

/**
 * Collects errors, and expects that there are some, that each is a RotationError with a name of its own and without the text
 * "secret", and that no other error went uncaught. `hint` is added to what a failure says.
 */
export async function expectNamedErrors(collect: () => Promise<unknown[]>, hint = ''): Promise<void> {
  const uncaught: unknown[] = []
  const note = (error: unknown) => uncaught.push(error)
  process.on('uncaughtExceptionMonitor', note)
  try {
    const errors = await collect()
    expect(errors.length, hint).toBeGreaterThan(0)
    for (const error of errors) {
      if (!(error instanceof RotationError) || error.name === 'Unexpected')
        throw new Error(`an error without a name ${hint}`, { cause: error })
      expect(`${error}`).not.toContain('secret')
    }
    // A rejection that nobody awaits is reported in the next turn of the event loop.
    await new Promise(setImmediate)
    expect(uncaught, hint).toEqual([])
  } finally {
    process.off('uncaughtExceptionMonitor', note)
  }
}
