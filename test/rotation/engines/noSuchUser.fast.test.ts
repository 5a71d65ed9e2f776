import { expect, test } from 'vitest'
import {
  NoSuchUser,
  undefinedIfLoginRefused,
  undefinedIfNoSuchUser,
} from '../../../rotation/engines/noSuchUser.ts'
import { LoginRefused, NotPermitted, Unreachable } from '../../../rotation/errors.ts'

test('undefinedIfNoSuchUser and undefinedIfLoginRefused swallow only the error in their names', () => {
  expect(undefinedIfNoSuchUser(new NoSuchUser('there is none'))).toBeUndefined()
  expect(undefinedIfLoginRefused(new LoginRefused('refused'))).toBeUndefined()
  for (const other of [new NotPermitted('no'), new Unreachable('no answer')]) {
    expect(() => undefinedIfNoSuchUser(other)).toThrow(other)
    expect(() => undefinedIfLoginRefused(other)).toThrow(other)
  }
})
