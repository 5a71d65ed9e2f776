import { expect, test } from 'vitest'
import { findWritableUser } from '../../../../rotation/engines/redis/redisAcl.ts'

test('rules that are not UTF-8 throw DatabaseFailed, and those of other users do not matter', () => {
  const lines = ['user other on ~\ufffd* &* +@all', 'user app on #0 ~app:* +get']
  expect(findWritableUser(lines, 'app')).toMatchObject({ rules: ['~app:*', '+get'] })
  expect(() => findWritableUser(lines, 'other')).toThrow(expect.objectContaining({ name: 'DatabaseFailed' }))
})
