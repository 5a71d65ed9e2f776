import { expect, test } from 'vitest'
import { translate } from '../../rotation/engines/postgresErrors.ts'

const serverError = (code: string, message = '', more = {}) =>
  Object.assign(new Error(message), { severity: 'ERROR', code, ...more })

test.each([
  ['28P01', 'LoginRefused', 'refused'],
  ['28000', 'LoginRefused', 'refused'],
  ['3D000', 'InvalidCredential', 'no such database'],
  ['25006', 'Unreachable', 'read-only'],
  ['57014', 'Unreachable', 'too long'],
  ['55P03', 'Conflict', 'lock'],
  ['42710', 'Conflict', 'made the same role'],
  ['23505', 'Conflict', 'made the same role'],
  ['25P04', 'Unreachable', 'too long'],
  ['40001', 'Conflict', 'same rows'],
  ['40P01', 'Conflict', 'same rows'],
  ['53300', 'Unreachable', 'no room'],
  ['57P01', 'Unreachable', 'starting or stopping'],
  ['08006', 'Unreachable', 'broke'],
  ['08P01', 'Unreachable', 'broke'],
  ['42P01', 'DatabaseFailed', '42P01'],
])('SQLSTATE %s is %s, says why, and keeps none of the server’s words', (code, name, why) => {
  const error = translate(serverError(code, 'a secret'), 'here')
  expect(error).toMatchObject({ name, message: expect.stringContaining(why) })
  expect(String(error)).not.toContain('a secret')
  expect(error).not.toHaveProperty('cause')
})

test.each([
  ['42501', 'permission denied to alter role', 'NotPermitted'],
  ['2BP01', 'role "app_clone" cannot be dropped because some objects depend on it', 'NotPermitted'],
  ['42704', 'role "app_clone" does not exist', 'NotPermitted'],
])('SQLSTATE %s is told in the server’s words, which name roles alone: %s', (code, message, name) => {
  expect(translate(serverError(code, message), 'here')).toMatchObject({ name, message: `here: ${message}` })
})

test.each([
  ['no pg_hba.conf entry for host "h", user "u", no encryption', 'TlsFailed'],
  ['no pg_hba.conf entry for host "h", user "u", SSL encryption', 'NotPermitted'],
  ['role "u" is not permitted to log in', 'LoginRefused'],
])('28000 %s is %s', (message, name) => {
  expect(translate(serverError('28000', message), 'here')).toMatchObject({ name })
})

test('a role that two sessions altered at once is a Conflict, and no other internal error is', () => {
  const internal = (routine: string) => translate(serverError('XX000', '', { routine }), 'here')
  expect(internal('simple_heap_update')).toMatchObject({ name: 'Conflict' })
  expect(internal('elog')).toMatchObject({ name: 'DatabaseFailed' })
})
