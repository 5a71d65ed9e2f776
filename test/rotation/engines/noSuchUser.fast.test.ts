import { expect, test } from 'vitest'
import { NoSuchUser, undefinedIfAbsent, undefinedIfRefused } from '../../../rotation/engines/noSuchUser.ts'
import { LoginRefused, NotPermitted, Unreachable } from '../../../rotation/errors.ts'

test('only a user that is absent is none, and only a login that was refused', () => {
  expect(undefinedIfAbsent(new NoSuchUser('there is none'))).toBeUndefined()
  expect(undefinedIfRefused(new LoginRefused('refused'))).toBeUndefined()
  for (const other of [new NotPermitted('no'), new Unreachable('no answer')]) {
    expect(() => undefinedIfAbsent(other)).toThrow(other)
    expect(() => undefinedIfRefused(other)).toThrow(other)
  }
})
