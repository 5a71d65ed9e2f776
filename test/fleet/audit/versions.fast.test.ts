import { expect, test } from 'vitest'
import { callsNeededFor } from '../../../fleet/audit/collect/secrets.ts'
import { ago, rotation, secret } from './facts.ts'

/** @returns whether the audit lists the versions of a secret that the table has as rotated three days ago */
const asked = (given: Parameters<typeof secret>[1]) =>
  callsNeededFor(
    secret('a', {
      history: { is: { rotations: [rotation(3)] } },
      current: { at: ago(3), by: 'last-changed' },
      ...given,
    }),
  ).includes('ListSecretVersionIds')

test('versions are listed if somebody may have stored a value after the last rotation', () => {
  expect(asked({})).toBe(false)
  expect(asked({ current: { at: ago(1), by: 'last-changed' } })).toBe(true)
})

test('where Secrets Manager has its own date of a rotation, no version is asked for', () => {
  const rotated = { enabled: true, last: ago(1) }
  expect(asked({ rotation: rotated, current: { at: ago(1), by: 'last-rotated' } })).toBe(false)
})

test('a rotation that failed made no value', () => {
  const failed = rotation(3, { outcome: 'failed' })
  expect(asked({ history: { is: { rotations: [failed] } } })).toBe(true)
})
