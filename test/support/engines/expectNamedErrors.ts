import { expect } from 'vitest'
import { RotationError } from '../../../rotation/errors.ts'

/** Collects errors, and expects that each is one of ours, that there are some, and that none escaped. */
export async function expectNamedErrors(collect: () => Promise<unknown[]>, hint = ''): Promise<void> {
  const escaped: unknown[] = []
  const note = (error: unknown) => escaped.push(error)
  process.on('uncaughtExceptionMonitor', note)
  try {
    const errors = await collect()
    expect(errors.length, hint).toBeGreaterThan(0)
    for (const error of errors) {
      if (!(error instanceof RotationError) || error.name === 'Unexpected')
        throw new Error(`an error without a name ${hint}`, { cause: error })
      expect(`${error}`).not.toContain('secret')
    }
    // What nobody waits for shows in the next round.
    await new Promise(setImmediate)
    expect(escaped, hint).toEqual([])
  } finally {
    process.off('uncaughtExceptionMonitor', note)
  }
}
