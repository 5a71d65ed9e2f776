import { expect, test } from 'vitest'
import { conflictIfDropped } from '../../../../rotation/engines/noSuchUser.ts'
import { translate } from '../../../../rotation/engines/postgres/postgresErrors.ts'

// The messages are quoted from AWS's Developer Guide.
test.each([
  ['28000', 'password authentication failed for user "app"', 'LoginRefused'],
  ['55006', `user "app_clone" can't be dropped because the user owns some object`, 'NotPermitted'],
  ['42704', 'user "app_clone" does not exist', 'NotPermitted'],
  ['42704', 'group "g" does not exist', 'DatabaseFailed'],
  ['57014', "Query (150) canceled on user's request", 'Unreachable'],
  ['XX000', '1023', 'DatabaseFailed'],
  ['XX000', 'could not complete because of conflict with concurrent transaction', 'Conflict'],
  ['XX000', '1023 DETAIL: Serializable isolation violation on table in Redshift', 'Conflict'],
])('SQLSTATE %s %s becomes %s', (code, message, name) => {
  const error = Object.assign(new Error(message), { severity: 'ERROR', code })
  expect(translate(error, 'here')).toMatchObject({ name })
})

test('conflictIfDropped throws Conflict for a user that was dropped meanwhile, and keeps other errors', () => {
  const translated = (message: string) =>
    translate(Object.assign(new Error(message), { severity: 'ERROR', code: '42704' }), 'here')
  expect(() => conflictIfDropped(translated('user "app_clone" does not exist'))).toThrow(
    expect.objectContaining({ name: 'Conflict' }),
  )
  expect(() => conflictIfDropped(translated('group "g" does not exist'))).toThrow(
    expect.objectContaining({ name: 'DatabaseFailed' }),
  )
})
