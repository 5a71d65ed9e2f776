import { describe, expect, test } from 'vitest'
import { type AccountSyntax, readAccount } from '../../../../rotation/engines/mysql/mysqlAccount.ts'
import { requireClone, syncStatements } from '../../../../rotation/engines/mysql/mysqlClone.ts'
import { NotAClone } from '../../../../rotation/engines/notAClone.ts'

const dialect: AccountSyntax = {
  defaultPlugin: 'caching_sha2_password',
  limitNames: ['MAX_QUERIES_PER_HOUR'],
  defaultClauses: { require: 'REQUIRE NONE', expire: 'PASSWORD EXPIRE DEFAULT' },
  defaultRolesStatement: () => '',
}
const made = "CREATE USER `app`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 'secret' REQUIRE NONE"
const granted = 'GRANT SELECT ON `shop`.* TO `app`@`%`'
const read = (created: string, ...grants: string[]) => readAccount(dialect, 'app', '%', [created], grants)

describe('an answer of the server that Keyturn does not know throws DatabaseFailed without its words', () => {
  test.each([
    ['SHOW CREATE USER', `${made} PASSWORD SECRET 3 ACCOUNT UNLOCK`, granted],
    ['SHOW CREATE USER', "CREATE USER `app`@`%` IDENTIFIED BY MAGIC 'secret'", granted],
    ['SHOW GRANTS', made, 'GRANT SELECT ON MODEL `secret` TO `app`@`%`'],
    ['SHOW GRANTS', made, 'DENY SELECT ON `secret`.* TO `app`@`%`'],
  ])('%s: %s; %s', (what, created, grant) => {
    expect(() => read(created, granted, grant)).toThrow(
      expect.objectContaining({
        name: 'DatabaseFailed',
        message: `\`app\`@\`%\`: ${what} says what Keyturn does not know`,
      }),
    )
  })
})

test.each([
  ['PASSWORD EXPIRE', 'PASSWORD EXPIRE DEFAULT'],
  ['PASSWORD EXPIRE NEVER', 'PASSWORD EXPIRE NEVER'],
  ['PASSWORD EXPIRE INTERVAL 90 DAY', 'PASSWORD EXPIRE INTERVAL 90 DAY'],
])('%s is read as the rule %s, so that a clone does not begin with an expired password', (shown, rule) => {
  expect(read(`${made} ${shown} ACCOUNT UNLOCK`).clauses.expire).toBe(rule)
})

test('numbers in attributes keep their text, and differ if their texts differ', () => {
  const having = (text: string) => read(`${made} ACCOUNT UNLOCK ATTRIBUTE '{"n": ${text}}'`)
  const alter = (json: string) => `alter user \`app\`@\`%\` attribute '${json}'`
  const texts = ['1', '1.0', '1e400', '2e400', '12345678901234567890', '12345678901234567000']
  for (const [user, clone] of texts.flatMap(text => texts.map(other => [text, other] as const)))
    expect(syncStatements(dialect, having(user), having(clone))).toEqual(
      user === clone ? [] : [alter('{"n":null}'), alter(`{"n":${user}}`)],
    )
})

test.each([
  ['SELECT ON `shop`.*', 'SELECT ON `shop`.`t`', true],
  ['ALL PRIVILEGES ON `shop`.*', 'EXECUTE ON PROCEDURE `shop`.`p`', true],
  ['SELECT ON `my\\_shop`.*', 'SELECT (`a`, `b`) ON `my_shop`.`t`', true],
  ['SELECT, INSERT ON `shop`.*', 'ALL PRIVILEGES ON `shop`.`t`', true],
  ['INSERT ON `shop`.*', 'SELECT ON `shop`.`t`', false],
  ['SELECT ON `shop`.*', 'SELECT ON `shops`.`t`', false],
  ['SELECT ON `shop`.*', 'SELECT ON `payroll`.*', false],
  ['SELECT ON *.*', 'SELECT ON `payroll`.`t`', false],
  ['SELECT ON `shop`.`t`', 'SELECT ON `shop`.*', false],
])('an account that may %s counts as the user of a clone that may %s: %s', (users, clones, may) => {
  const grant = (what: string) => read(made, `GRANT ${what} TO \`app\`@\`%\``)
  const refuse = () => requireClone(grant(users), grant(clones), false)
  if (may) expect(refuse).not.toThrow()
  else expect(refuse).toThrow(NotAClone)
})
