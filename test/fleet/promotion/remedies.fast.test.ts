import { expect, test } from 'vitest'
import { promotionRemedy } from '../../../fleet/promotion/remedies.ts'

const unknown = promotionRemedy('Nonsense')

test.each([
  ...['HostUnmapped', 'StillStandby', 'LoginRefused', 'NotPermitted', 'InvalidCredential', 'ReplicaMissing'],
  ...[
    'ReplicasBehind',
    'StandsAlone',
    'Unreachable',
    'TlsFailed',
    'RotationInProgress',
    'Throttled',
    'Superseded',
    'NotAtHome',
  ],
])('%s has a remedy of its own', name => {
  expect(promotionRemedy(name)).toMatch(/^[A-Z].*\.$/)
  expect(promotionRemedy(name)).not.toBe(unknown)
})

test('the remedy of an unknown error points to the execution', () => {
  expect(unknown).toMatch(/^Look at the execution/)
  for (const name of [undefined, '', '__proto__', 'constructor', 'toString'])
    expect(promotionRemedy(name)).toBe(unknown)
})
