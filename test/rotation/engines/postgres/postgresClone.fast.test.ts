import { describe, expect, test } from 'vitest'
import { syncStatements } from '../../../../rotation/engines/postgres/postgresClone.ts'
import { NEW_ROLE, type Role } from '../../../../rotation/engines/postgres/postgresRoles.ts'
import { withRightsOfBoth } from '../../../../rotation/engines/postgres/postgresTemporaryMembership.ts'

const pair = { user: 'app', clone: 'app_clone' }
const role: Role = { ...NEW_ROLE, name: 'app', mayActAs: true }
const membership = { role: 'app', admin: false, inherit: true, set: true, shared: true }
const clone: Role = {
  ...role,
  name: 'app_clone',
  memberOf: [membership],
  settings: [{ database: null, values: ['role=app'] }],
}
const sync = (user: Partial<Role>, copy: Partial<Role>) =>
  syncStatements(pair, {
    user: { ...role, ...user },
    clone: { ...clone, ...copy },
    database: 'shop',
    versionNumber: 160000,
  })

test('a clone that equals its user needs no statements', () => {
  expect(sync({}, {})).toEqual([])
})

test.each(['createdb', 'createrole', 'replication', 'bypassrls'] as const)(
  'the clone gets %s with its user, and loses it with its user',
  flag => {
    expect(sync({ [flag]: true }, {})).toEqual([`alter role "app_clone" ${flag}`])
    expect(sync({}, { [flag]: true })).toEqual([`alter role "app_clone" no${flag}`])
    expect(sync({ [flag]: true }, { [flag]: true })).toEqual([])
  },
)

test('the clone gets superuser with its user; if only the clone is a superuser, NotPermitted is thrown', () => {
  expect(sync({ superuser: true }, {})).toEqual(['alter role "app_clone" superuser'])
  expect(() => sync({}, { superuser: true })).toThrow(expect.objectContaining({ name: 'NotPermitted' }))
})

test('a clone that could grant its user to others loses the right to', () => {
  expect(sync({}, { memberOf: [{ ...membership, admin: true }] })).toEqual([
    'revoke admin option for "app" from "app_clone"',
  ])
})

test.each(['inherit', 'set'])('a clone whose membership lacks %s gets that option', option => {
  expect(sync({}, { memberOf: [{ ...membership, [option]: false }] })).toEqual([
    'grant "app" to "app_clone" with inherit true, set true',
  ])
})

test('a clone that does not inherit the privileges of its roles inherits them again', () => {
  expect(sync({}, { inherit: false })).toEqual(['alter role "app_clone" inherit'])
})

describe('an admin’s membership that is lent for a handover is taken back', () => {
  const acting = (adminMembership: Role['adminMembership'], versionNumber: number) =>
    withRightsOfBoth(
      {
        user: { ...role, mayActAs: false, adminMembership },
        clone: { ...clone, mayActAs: true },
        database: 'shop',
        versionNumber,
      },
      ['reassign'],
    )
  const lent = 'grant "app" to current_user with inherit true, set true'
  const timeout = "set local lock_timeout = '1s'"
  test.each([
    [
      'an admin without a membership of its own has none afterwards',
      acting({ grantor: 'admin', options: null }, 160000),
      [
        `${lent} granted by "admin"`,
        timeout,
        'reassign',
        'revoke "app" from current_user granted by "admin"',
      ],
    ],
    [
      'an admin with a membership of its own has the same one afterwards',
      acting({ grantor: 'dba', options: { inherit: false, set: true } }, 160000),
      [
        `${lent} granted by "dba"`,
        timeout,
        'reassign',
        'grant "app" to current_user with inherit false, set true granted by "dba"',
      ],
    ],
    [
      'an admin without a membership, before PostgreSQL 16',
      acting({ grantor: null, options: null }, 150000),
      ['grant "app" to current_user', timeout, 'reassign', 'revoke "app" from current_user'],
    ],
    [
      'an admin with a membership, before PostgreSQL 16',
      acting({ grantor: null, options: { inherit: false, set: false } }, 150000),
      [timeout, 'reassign'],
    ],
  ])('%s', (_, statements, expected) => {
    expect(statements).toEqual(expected)
  })
})
