import { describe, expect, test } from 'vitest'
import {
  containsPassword,
  type LoggedPasswords,
  logsReport,
} from '../../../bench/official/passwordsInLogs.ts'

describe('a password in a log', () => {
  const password = `q'7\\Lm2#vX9@tR4!wK8"zB`
  test.each([
    ['as it is', `statement: ALTER USER a WITH PASSWORD '${password}'`],
    ['quoted', `alter user a identified by '${password.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`],
    ['cut off', `near '${password.slice(0, 11)}' at line 1`],
  ])('is found %s', (_, log) => {
    expect(containsPassword(log, password)).toBe(true)
  })

  test.each([
    ['a hash', `set password = '*817F9DCBEC4EC64CA950E9E868D2C1382A88CBB1'`],
    ['the server’s own word', 'ALTER USER a IDENTIFIED BY <secret> REPLACE <secret>'],
    ['a few of its characters', `where name = '${password.slice(0, 7)}'`],
  ])('is not %s', (_, log) => {
    expect(containsPassword(log, password)).toBe(false)
  })
})

test("each row of AWS's functions has Keyturn's rotations of the same database and strategy beside it", () => {
  const of = (database: string, side: string, shown: number, rotations = 5): LoggedPasswords => ({
    ...{ database, strategy: 'single', side },
    ...{ rotations, shown },
  })
  const report = logsReport([
    ...[of('A', "AWS's", 5), of('A', 'Keyturn', 0)],
    ...[of('B', "AWS's", 0, 1), of('B', "AWS's, changed", 4), of('B', 'Keyturn', 1)],
  ])
  const rows = report.split('\n').filter(line => line.includes('one user'))
  expect(rows.map(row => row.split('|').map(cell => cell.trim()))).toEqual([
    ['', 'A, one user', '5 of 5', '0 of 5', ''],
    ['', 'B, one user', '0 of 1', '1 of 5', ''],
    ['', 'B, one user, changed', '4 of 5', '1 of 5', ''],
  ])
})
