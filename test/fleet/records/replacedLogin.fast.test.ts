import { expect, test } from 'vitest'
import { replacedLoginText } from '../../../fleet/records/replacedLogin.ts'

test.each([
  [{ user: 'shop', strategy: 'alternating-users' }, 'the user shop'],
  [{ user: 'shop', strategy: 'dual-password' }, 'the old password of shop'],
  [{ strategy: 'dual-password' }, 'the old user or password'],
])('what a rotation with %j replaced is %s', (record, text) => {
  expect(replacedLoginText(record)).toBe(text)
})
