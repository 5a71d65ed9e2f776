import { expect, test } from 'vitest'
import { newRole, type Roles, syncStatements } from '../../rotation/engines/postgresClone.ts'

type Role = NonNullable<Roles['user']>

const pair = { user: 'app', clone: 'app_clone' }
const role: Role = { ...newRole, name: 'app', ours: true }
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
    version: 160000,
  })

test('a clone that is equal: nothing is to be done', () => {
  expect(sync({}, {})).toEqual([])
})

test.each(['createdb', 'createrole', 'replication', 'bypassrls'] as const)(
  '%s follows, and goes again',
  flag => {
    expect(sync({ [flag]: true }, {})).toEqual([`alter role "app_clone" ${flag}`])
    expect(sync({}, { [flag]: true })).toEqual([`alter role "app_clone" no${flag}`])
    expect(sync({ [flag]: true }, { [flag]: true })).toEqual([])
  },
)

test('superuser follows; a clone that is one while its user is not is a stranger', () => {
  expect(sync({ superuser: true }, {})).toEqual(['alter role "app_clone" superuser'])
  expect(() => sync({}, { superuser: true })).toThrow(expect.objectContaining({ name: 'NotPermitted' }))
})

test('a clone that could give its user to others cannot any more', () => {
  expect(sync({}, { memberOf: [{ ...membership, admin: true }] })).toEqual([
    'revoke admin option for "app" from "app_clone"',
  ])
})

test.each(['inherit', 'set'])('a clone whose membership lacks %s gets it', option => {
  expect(sync({}, { memberOf: [{ ...membership, [option]: false }] })).toEqual([
    'grant "app" to "app_clone" with inherit true, set true',
  ])
})

test('what has to be borrowed for handing over is given back', () => {
  expect(sync({ ours: false }, { ours: false, holdsIn: ['shop'] })).toEqual([
    'grant "app" to current_user with inherit true',
    'grant "app_clone" to current_user with inherit true',
    "set local lock_timeout = '1s'",
    'reassign owned by "app_clone" to "app"',
    expect.stringMatching(/^do .*serialization_failure/s),
    'drop owned by "app_clone"',
    'revoke "app" from current_user',
    'revoke "app_clone" from current_user',
  ])
})
