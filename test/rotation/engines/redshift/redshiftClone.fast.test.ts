import { describe, expect, test } from 'vitest'
import {
  type Account,
  type AccountRows,
  accountQuery,
  newAccount,
  quoteText,
  readAccount,
} from '../../../../rotation/engines/redshift/redshiftAccount.ts'
import {
  grantOwnedStatements,
  revokeAllStatements,
  syncStatements,
  transferStatements,
} from '../../../../rotation/engines/redshift/redshiftClone.ts'

const plain = { superuser: false, createdb: false, validUntil: null, settings: null }
const info = { limit: 'UNLIMITED', syslog: 'RESTRICTED', timeout: 0 }
const thing = {
  kind: 'table',
  schema: 'sales',
  name: 'orders',
  detail: null,
  owner: 'dwadmin',
  acl: '',
} as const

/** Makes an account from rows of the catalogs, with defaults for the rows that are not given. */
function account({
  name = 'app',
  user = {},
  more = {},
  groups = [] as string[],
  roles = [] as { name: string; admin: boolean }[],
  things = [] as Partial<AccountRows[4][number]>[],
  defaults = [] as Partial<AccountRows[5][number]>[],
} = {}): Account {
  const found = readAccount(name, [
    [{ ...plain, ...user }],
    [{ ...info, ...more }],
    groups.map(group => ({ name: group })),
    roles,
    things.map(row => ({ ...thing, ...row })),
    defaults.map(row => ({ owner: 'admin', schema: null, kind: 'r', acl: '', ...row })),
  ])
  if (!found) throw new Error('there is none')
  return found
}

const clone = newAccount('app_clone')
const follow = (given: Parameters<typeof account>[0], of = clone) => syncStatements(account(given), of)

test('a user without rights needs no statements, and a user that does not exist is undefined', () => {
  expect(follow({})).toEqual([])
  expect(readAccount('app', [[], [], [], [], [], []])).toBeUndefined()
})

test('quoteText doubles a backslash, which escapes what follows', () => {
  expect(quoteText(`o'brien \\`)).toBe(`'o''brien \\\\'`)
  expect(accountQuery(`it's`)).toContain(`usename = 'it''s'`)
})

describe('a clone gets from its user', () => {
  // The ACLs are those of AWS's pages on PG_DEFAULT_ACL and SHOW TABLES.
  test.each([
    ['select', 'rw', ['grant select, update on table "sales"."orders" to "app_clone"']],
    [
      'WITH GRANT OPTION',
      'r*a*w*d*x*',
      [
        'grant select, insert, update, delete, references on table "sales"."orders" to "app_clone" with grant option',
      ],
    ],
    [
      'all but RULE and TRIGGER, which cannot be granted',
      'arwdRxtDPA',
      [
        'grant insert, select, update, delete, references, drop, truncate, alter on table "sales"."orders" to "app_clone"',
      ],
    ],
    ['truncate', 'P', ['grant truncate on table "sales"."orders" to "app_clone"']],
    [
      'one with GRANT OPTION, one without',
      'r*w',
      [
        'grant update on table "sales"."orders" to "app_clone"',
        'grant select on table "sales"."orders" to "app_clone" with grant option',
      ],
    ],
  ])('privileges on a table: %s', (_, letters, expected) => {
    const acl = `dwadmin=arwdRxtDPA/dwadmin\ngroup readers=r/dwadmin\n"a p p"=d/dwadmin\napp=${letters}/dwadmin\n=r/dwadmin`
    expect(follow({ things: [{ acl }] })).toEqual(expected)
  })

  test.each([
    [{ kind: 'schema', schema: null, name: 'Sales "1"' }, 'UC', 'usage, create on schema "Sales ""1"""'],
    [{ kind: 'database', schema: null, name: 'dev' }, 'CT', 'create, temp on database "dev"'],
    [
      { kind: 'function', name: 'f', detail: 'integer, character varying' },
      'X',
      'execute on function "sales"."f"(integer, character varying)',
    ],
    [{ kind: 'procedure', name: 'p', detail: '' }, 'X', 'execute on procedure "sales"."p"()'],
    [{ kind: 'language', schema: null, name: 'plpythonu' }, 'U', 'usage on language "plpythonu"'],
    [
      { kind: 'column', detail: 'l_orderkey' },
      'rw',
      'select ("l_orderkey"), update ("l_orderkey") on table "sales"."orders"',
    ],
  ] as const)('privileges on %o', (row, letters, expected) => {
    expect(follow({ things: [{ ...row, acl: `app=${letters}/dwadmin` }] })).toEqual([
      `grant ${expected} to "app_clone"`,
    ])
  })

  test('only the privileges of the user itself, by an ACL with odd names and groups', () => {
    const odd = 'group "x"=y/z'
    const acl = `"group ""x""=y/z"=r/"ad""min/="\ngroup "group ""x""=y/z"=w/dwadmin\n"x"=a/dwadmin`
    expect(syncStatements(account({ name: odd, things: [{ acl }] }), clone)).toEqual([
      'grant select on table "sales"."orders" to "app_clone"',
    ])
  })

  test('groups, roles, options and settings', () => {
    const user = {
      createdb: true,
      validUntil: '2999-01-01 00:00:00',
      settings: 'search_path="$user", "Odd"\nquery_group=q=\\',
    }
    const more = { limit: '7', syslog: 'UNRESTRICTED', timeout: 120 }
    const roles = [
      { name: 'r1', admin: false },
      { name: 'r2', admin: true },
    ]
    expect(follow({ user, more, groups: ['the "g"'], roles })).toEqual([
      'alter user "app_clone" createdb',
      `alter user "app_clone" valid until '2999-01-01 00:00:00'`,
      'alter user "app_clone" connection limit 7',
      'alter user "app_clone" syslog access unrestricted',
      'alter user "app_clone" session timeout 120',
      `alter user "app_clone" set "search_path" to '$user', 'Odd'`,
      `alter user "app_clone" set "query_group" to 'q=\\\\'`,
      'alter group "the ""g""" add user "app_clone"',
      'grant role "r1" to "app_clone"',
      'grant role "r2" to "app_clone" with admin option',
    ])
  })

  test('default privileges granted to the user, and those that the user grants', () => {
    const defaults = [
      { owner: 'admin', schema: 'tickit', acl: 'app=r/admin\ngroup group1=a/admin\nuser2=w/admin' },
      { owner: 'app', kind: 'r', acl: 'app=arwdRxtDPA/app\ngroup "the readers"=r/app\nuser2=a*/app' },
      { owner: 'app', kind: 'f', acl: 'app=X/app\ngroup dev_test=X/app' },
      { owner: 'app', kind: 'p', schema: 's', acl: '=X/app' },
    ]
    expect(follow({ defaults })).toEqual([
      'alter default privileges for user "app_clone" revoke execute on functions from public',
      'alter default privileges for user "admin" in schema "tickit" grant select on tables to "app_clone"',
      'alter default privileges for user "app_clone" grant select on tables to group "the readers"',
      'alter default privileges for user "app_clone" grant insert on tables to "user2" with grant option',
      'alter default privileges for user "app_clone" grant execute on functions to group "dev_test"',
      'alter default privileges for user "app_clone" in schema "s" grant execute on procedures to public',
    ])
  })

  test.each([
    [{ things: [{ acl: 'app=rZ/dwadmin' }] }, 'Z'],
    [{ things: [{ acl: 'not an item' }] }, 'ACL'],
    [{ defaults: [{ owner: 'app', kind: 'q' }] }, 'kind q'],
  ])('nothing from an account with unknown parts, which throws DatabaseFailed: %o', (given, said) => {
    expect(() => account(given)).toThrow(
      expect.objectContaining({ name: 'DatabaseFailed', message: expect.stringContaining(said) }),
    )
  })
})

describe('a clone loses', () => {
  const had = account({
    name: 'app_clone',
    user: { createdb: true, settings: 'statement_timeout=17000' },
    more: { timeout: 120 },
    groups: ['g'],
    roles: [
      { name: 'r1', admin: false },
      { name: 'r2', admin: true },
    ],
    things: [{ acl: 'app_clone=r*w/dwadmin' }, { kind: 'column', detail: 'c', acl: 'app_clone=r/dwadmin' }],
    defaults: [
      { owner: 'admin', acl: 'app_clone=rw/admin' },
      { owner: 'app_clone', kind: 'f', acl: 'app_clone=X/app_clone' },
    ],
  })

  test('everything if its user has nothing any more', () => {
    expect(follow({}, had)).toEqual([
      'alter user "app_clone" nocreatedb',
      'alter user "app_clone" reset session timeout',
      'alter user "app_clone" reset "statement_timeout"',
      'alter group "g" drop user "app_clone"',
      'revoke role "r1" from "app_clone"',
      'revoke role "r2" from "app_clone"',
      'revoke select, update, select ("c") on table "sales"."orders" from "app_clone"',
      'alter default privileges for user "admin" revoke select, update on tables from "app_clone"',
      'alter default privileges for user "app_clone" grant execute on functions to public',
    ])
  })

  test('what its user has no more', () => {
    const things = [
      { acl: 'app=rw*/dwadmin' },
      { kind: 'column' as const, detail: 'c', acl: 'app=r/dwadmin' },
    ]
    const roles = [
      { name: 'r1', admin: true },
      { name: 'r2', admin: false },
    ]
    const user = { createdb: true, settings: 'statement_timeout=5' }
    const defaults = [{ owner: 'app', kind: 'f', acl: 'app=X/app' }]
    expect(follow({ user, more: { timeout: 120 }, groups: ['g'], roles, things, defaults }, had)).toEqual([
      `alter user "app_clone" set "statement_timeout" to '5'`,
      'revoke admin option for role "r2" from "app_clone"',
      'grant role "r1" to "app_clone" with admin option',
      'revoke grant option for select on table "sales"."orders" from "app_clone"',
      'grant update on table "sales"."orders" to "app_clone" with grant option',
      'alter default privileges for user "admin" revoke select, update on tables from "app_clone"',
    ])
  })

  test('everything that does not end by itself, before it is dropped', () => {
    const statements = revokeAllStatements(account({}), had)
    expect(statements).toHaveLength(follow({}, had).length - 3)
    expect(statements.filter(statement => !/^(revoke|alter group|alter default)/.test(statement))).toEqual([])
  })
})

describe('what user and clone own', () => {
  const all = 'select, insert, update, delete, references, drop, truncate, alter'
  const user = account({
    things: [
      { owner: 'app', acl: 'app=arwdRxtDPA/app\napp_clone=ar/app' },
      { kind: 'schema', schema: null, name: 's', owner: 'app' },
    ],
  })
  const other = account({
    name: 'app_clone',
    things: [
      { owner: 'app', acl: 'app=arwdRxtDPA/app\napp_clone=ar/app' },
      { name: 'new', owner: 'app_clone' },
      { kind: 'function', name: 'f', detail: '', owner: 'app_clone' },
      { kind: 'procedure', name: 'p', detail: 'integer', owner: 'app_clone' },
    ],
  })

  test('becomes the user’s, and the clone gets all privileges on it that can be granted', () => {
    expect([...other.owned.keys()].map(key => transferStatements(user, other, key))).toEqual([
      ['alter table "sales"."new" owner to "app"', `grant ${all} on table "sales"."new" to "app_clone"`],
      [
        'alter function "sales"."f"() owner to "app"',
        'grant execute on function "sales"."f"() to "app_clone"',
      ],
      [
        'alter procedure "sales"."p"(integer) owner to "app"',
        'grant execute on procedure "sales"."p"(integer) to "app_clone"',
      ],
    ])
    expect(grantOwnedStatements(user, other)).toEqual([
      'grant update, delete, references, drop, truncate, alter on table "sales"."orders" to "app_clone"',
      'grant create, usage on schema "s" to "app_clone"',
    ])
  })

  test('is no difference, as both may make things while a rotation is under way', () => {
    expect(syncStatements(user, other)).toEqual([])
  })
})
