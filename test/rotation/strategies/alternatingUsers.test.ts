import { expect, test } from 'vitest'
import { ADMIN_ARN } from '../../../local/servers/postgresDatabase.ts'
import { Credential } from '../../../rotation/credential.ts'
import { AlternatingUsers } from '../../../rotation/strategies/alternatingUsers.ts'

const value = (engine: string, username: string) =>
  Credential.parse(JSON.stringify({ engine, host: 'h', username, password: 'p', masterarn: ADMIN_ARN }))

test.each([
  ['postgres', 'ü', 28, '57 bytes'],
  ['redshift', 'ü', 60, '121 bytes'],
  ['mysql', 'ü', 26, '26 characters'],
  ['mariadb', 'ü', 74, '74 characters'],
  ['mongo', 'ü', 28, '57 bytes'],
])('on %s, a user name may be as long as its clone’s name allows', (engine, letter, longest, said) => {
  const strategy = new AlternatingUsers()
  const fits = letter.repeat(longest)
  expect(strategy.nextUser(value(engine, fits))).toBe(`${fits}_clone`)
  expect(() => strategy.nextUser(value(engine, fits + letter))).toThrow(
    expect.objectContaining({
      name: 'InvalidCredential',
      field: 'username',
      message: expect.stringContaining(said),
    }),
  )
})
