import { expect, test } from 'vitest'
import { passwordAgeOf, valueAgeOf } from '../../../fleet/audit/age.ts'
import type { EditFacts, RotationFacts } from '../../../fleet/audit/facts.ts'
import { ago, parameter, rotation, secret } from './facts.ts'

/** A version that named an admin two days ago, and replaced one that was a hundred days old. */
const edit: EditFacts = { version: 'edited', made: ago(2), passwordSince: ago(100) }
const history = (...rotations: RotationFacts[]) => ({ history: { is: { rotations, edit } } })
const labels = { edited: ['AWSCURRENT'], before: ['AWSPREVIOUS'] }
const stored = { at: ago(2), by: 'version' } as const

test('an edited value is as old as the one that it replaced, and its schedule counts from the edit', () => {
  const edited = secret('a', { ...history(), labels, current: stored })
  expect(passwordAgeOf(edited)).toEqual({ at: ago(100), by: 'table' })
  expect(valueAgeOf(edited)).toEqual(stored)
})

test('a version that a rotation made is as old as that rotation', () => {
  const edited = secret('a', { ...history(rotation(99.9)), labels, current: stored })
  expect(passwordAgeOf(edited)).toEqual({ at: rotation(99.9).ended, by: 'table' })
})

test('a version that was stored after the edit has its own date', () => {
  const current = { at: ago(1), by: 'version' } as const
  const later = { newer: ['AWSCURRENT'], edited: ['AWSPREVIOUS'] }
  expect(passwordAgeOf(secret('a', { ...history(), labels: later, current }))).toEqual(current)
})

test('an edit of a parameter is recognized by its date', () => {
  const given = (days: number) => ({ changed: ago(days), current: { at: ago(days), by: 'version' as const } })
  expect(passwordAgeOf(parameter('/a', { ...history(), ...given(2) }))?.at).toBe(ago(100))
  expect(passwordAgeOf(parameter('/a', { ...history(), ...given(1) }))?.at).toBe(ago(1))
})
