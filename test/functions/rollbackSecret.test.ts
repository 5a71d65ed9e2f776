import { beforeEach, expect, test, vi } from 'vitest'
import { loadHandler } from '../../local/embedded/embedded.ts'
import { LockedOut } from '../../rotation/errors.ts'
import { setLambdaEnvironment } from '../support/lambdaEnvironment.ts'
import { captureOutput, rejectionOf } from '../support/observe.ts'

/** What a rollback returns or throws. test/rotation tests the rollback itself. */
let found: LockedOut
vi.mock('../../rotation/rollback.ts', () => ({
  rollback: () => Promise.reject(found),
}))

setLambdaEnvironment({
  POWERTOOLS_SERVICE_NAME: 'keyturn-test',
})
let written: string[]
beforeEach(() => {
  written = captureOutput()
})

const execution = '0a1b2c3d-0000-4000-8000-000000000001'
const event = { execution, rotation: { store: 'secrets-manager', id: 'shop/database' } }

test('a lockout is counted, unless it is from before the rotation', async () => {
  const rollbackSecret = await loadHandler('rollbackSecret')
  found = LockedOut.before('shop on db', 'AWSPREVIOUS logs in')
  expect(await rejectionOf(Promise.resolve(rollbackSecret(event)))).toBe(found)
  expect(written.join('')).not.toContain('"LockedOut":1')
  found = new LockedOut('shop on db')
  expect(await rejectionOf(Promise.resolve(rollbackSecret(event)))).toBe(found)
  expect(written.join('')).toContain('"LockedOut":1')
})
