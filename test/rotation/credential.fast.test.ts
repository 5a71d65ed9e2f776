import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { Credential } from '../../rotation/credential.ts'
import { ENGINE_NAMES } from '../../rotation/engines/traits.ts'
import { InvalidCredential } from '../../rotation/errors.ts'

const least = { engine: 'postgres', host: 'db.example.com', username: 'app', password: 'Hidden-1' }
const parse = (change: object = {}) => Credential.parse(JSON.stringify({ ...least, ...change }))

function refusal(text: string, read: (text: string) => unknown = Credential.parse): InvalidCredential {
  try {
    read(text)
  } catch (error) {
    if (error instanceof InvalidCredential) return error
    throw error
  }
  throw new Error(`accepted: ${text}`)
}

describe('what is accepted', () => {
  test('a value with engine, host, username and password alone', () => {
    const credential = parse()
    expect(credential.engine).toBe('postgres')
    expect(credential.host).toBe('db.example.com')
    expect(credential.username).toBe('app')
    expect(credential.password).toBe('Hidden-1')
    expect(credential.port).toBeUndefined()
    expect(credential.dbname).toBeUndefined()
    expect(credential.masterarn).toBeUndefined()
    expect(credential.ssl).toBe(true)
  })

  test.each([
    ['aurora-postgresql', 'postgres'],
    ['aurora-mysql', 'mysql'],
    ['aurora', 'mysql'],
    ['valkey', 'redis'],
    ['docdb', 'mongo'],
  ])('the other name %s of an engine, which is kept', (name, engine) => {
    const credential = parse({ engine: name })
    expect(credential.engine).toBe(engine)
    expect(credential.serialize()).toContain(`"engine":"${name}"`)
  })

  test.each(ENGINE_NAMES)('the engine %s', engine => {
    expect(parse({ engine }).engine).toBe(engine)
  })

  test.each([
    [5432, 5432],
    ['5432', 5432],
    [1, 1],
    ['65535', 65535],
  ])('the port %j', (port, read) => {
    expect(parse({ port }).port).toBe(read)
  })

  test.each([
    [true, true],
    [false, false],
    ['true', true],
    ['false', false],
  ])('the setting ssl %j', (ssl, read) => {
    expect(parse({ ssl }).ssl).toBe(read)
  })

  test.each([
    'arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-AbCdEf',
    'arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:team/db/admin-AbCdEf',
    'arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:rds!cluster-1-AbCdEf',
  ])('the masterarn %s', masterarn => {
    expect(parse({ masterarn }).masterarn).toBe(masterarn)
  })

  test('texts of any script and punctuation', () => {
    const password = `ü"\\'/\n\t☂ $&{}`
    expect(parse({ password, dbname: 'Ünïcode db' })).toMatchObject({ password, dbname: 'Ünïcode db' })
  })
})

describe('what is refused is named by its field, with what it should be, and never quoted', () => {
  const wrong: [string, unknown[]][] = [
    ['engine', ['Hidden-2', 'oracle', '', null, 5, ['postgres'], {}]],
    ['host', ['', null, 5, 'db\0Hidden-2', ['Hidden-2']]],
    ['port', [0, -1, 65_536, 1.5, '0', '65536', '', 'Hidden-2', ' 5432', '5432.0', null, true]],
    ['dbname', ['', null, 5, 'Hidden-2\0']],
    ['username', ['', null, 5, '\0', { name: 'Hidden-2' }]],
    ['password', ['', null, 5, 'Hidden-2\0', ['Hidden-2']]],
    ['masterarn', ['', null, 5, 'Hidden-2', 'arn:aws:ssm:eu-west-1:123456789012:parameter/Hidden-2']],
    ['ssl', ['', 'yes', 'Hidden-2', null, 0, 1]],
  ]
  const should: Record<string, RegExp> = {
    value: /^value: should be a JSON object with engine, host, username and password$/,
    engine: /^engine: should be one of: postgres/,
    host: /^host: should be the host name/,
    port: /^port: should be a whole number from 1 to 65535, or left out$/,
    dbname: /^dbname: should be the name of a database, or left out$/,
    username: /^username: should be the user whose password rotates$/,
    password: /^password: should be the user's password, not empty$/,
    masterarn: /^masterarn: should be the ARN of the admin's secret, or left out$/,
    ssl: /^ssl: should be true or false, or left out/,
  }

  for (const [field, values] of wrong)
    test.each(values)(`${field}: %j`, value => {
      const error = refusal(JSON.stringify({ ...least, [field]: value }))
      expect(error.field).toBe(field)
      expect(error.message).toMatch(should[field] ?? /never/)
      expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
    })

  test.each([
    ['shop.proxy-abcdefghijkl.us-east-1.rds.amazonaws.com', false],
    ['Reader.Endpoint.Proxy-abcdefghijkl.cn-north-1.rds.amazonaws.com.cn', false],
    ['proxy-shop.abcdefghijkl.us-east-1.rds.amazonaws.com', true],
    ['shop.cluster-ro-abcdefghijkl.us-east-1.rds.amazonaws.com', true],
    ['db.proxy-shop.example.com', true],
  ])('the host %s, unless it is a database’s own: %s', (host, isDatabase) => {
    if (isDatabase) expect(parse({ host }).host).toBe(host)
    else expect(refusal(JSON.stringify({ ...least, host })).message).toMatch(/^host: .*not RDS Proxy's/)
  })

  test.each([
    [
      'mongo',
      'dbname',
      ['a/b', 'a b', 'a.b', '$external', 'x'.repeat(64)],
      /should be the name of a database/,
    ],
    ['mongo', 'host', ['mongodb://h', 'h:27017', 'a,b', 'h/x', 'u@h'], /should be the name of one server/],
    [
      'mongo',
      'username',
      ['a,b,c', 'a,\n,', 'a==2C', 'a=b=3Dc'],
      /should be a name that the driver can send/,
    ],
    ['redis', 'dbname', ['-1', 'shop', '1.0'], /should be the number of a database/],
    ['mysql', 'host', ['127.0.0.1', '::1'], /should be a name/],
    ['mariadb', 'host', ['127.0.0.1', '::1'], /should be a name/],
  ])('a value of %s with an impossible %s', (engine, field, values, message) => {
    for (const value of values) {
      const text = JSON.stringify({ ...least, engine, [field]: value })
      expect(refusal(text)).toMatchObject({ field, message: expect.stringMatching(message) })
      expect(() => Credential.passwordOnlyParser(text)).toThrow(message)
    }
  })

  test.each([
    { engine: 'mongo', host: '::1', dbname: 'shop-1', username: 'a=2C=b,c' },
    { engine: 'redis', host: '127.0.0.1', username: 'a,b,c==2C' },
    { engine: 'redis', host: '127.0.0.1', dbname: '3' },
    { engine: 'mysql', host: '127.0.0.1', ssl: false },
    { engine: 'postgres', host: '127.0.0.1', dbname: 'a/b' },
  ])('but not an unusual value that its engine allows: %j', value => {
    expect(parse(value)).toMatchObject(value)
  })

  test.each(['engine', 'host', 'username', 'password'])('a value without %s', field => {
    const error = refusal(JSON.stringify({ ...least, [field]: undefined }))
    expect(error.field).toBe(field)
    expect(error.message).toMatch(/: is missing; it should be /)
    expect(error.message.replace('is missing; it ', '')).toMatch(should[field] ?? /never/)
  })

  test.each(['', 'Hidden-2', '{"password":"Hidden-2"', '{"password":Hidden-2}', 'null', '5', '"Hidden-2"'])(
    'a text that is no JSON object: %j',
    text => {
      const error = refusal(text)
      expect(error.field).toBe('value')
      expect(error.message).toMatch(should.value ?? /never/)
      expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
      expect(error.cause).toBeUndefined()
    },
  )

  test.each(['1e400', '-5432', '1e-3', '5432.5'])('the port %s', port => {
    expect(refusal(JSON.stringify(least).replace('{', `{"port":${port},`)).field).toBe('port')
  })

  test('a list', () => {
    expect(refusal('["Hidden-2"]').message).not.toContain('Hidden')
  })

  test('a value with several wrong fields, of which one is named', () => {
    expect(['host', 'port']).toContain(refusal(JSON.stringify({ ...least, host: '', port: 0 })).field)
  })
})

describe('fields and spellings that Keyturn does not know survive', () => {
  const stored =
    '{"note":"kept","password":"Hidden-1","id":12345678901234567890,"ratio":1.0,"tiny":1e-400,"engine":"postgres",' +
    '"list":[1.50,{"deep":-0,"text":"12345678901234567890"}],"port":"05432","host":"db.example.com","nothing":null,' +
    '"ssl":"false","username":"app","__proto__":{"own":1},"empty":{}}'

  test('exactly, if nothing changes', () => {
    expect(Credential.parse(stored).serialize()).toBe(stored)
    expect(Credential.parse(stored)).toMatchObject({ port: 5432, ssl: false })
  })

  test('in place, if user, password and database change', () => {
    const changed = Credential.parse(stored).with({ username: 'app_clone', password: 'new "quoted"' })
    expect(changed.serialize()).toBe(
      stored.replace('"app"', '"app_clone"').replace('"Hidden-1"', '"new \\"quoted\\""'),
    )
    expect(changed).toMatchObject({ username: 'app_clone', password: 'new "quoted"', host: 'db.example.com' })
  })

  test('before a field that is added', () => {
    const { dbname } = parse().with({ dbname: 'postgres' })
    expect(dbname).toBe('postgres')
    expect(parse().with({ dbname: 'postgres' }).serialize()).toBe(
      JSON.stringify({ ...least, dbname: 'postgres' }),
    )
  })

  test('in a text that can be read again', () => {
    const changed = Credential.parse(stored).with({ password: 'next' })
    expect(Credential.parse(changed.serialize()).serialize()).toBe(changed.serialize())
  })
})

describe('with', () => {
  test('leaves the credential itself as it was', () => {
    const credential = parse({ dbname: 'app' })
    const before = credential.serialize()
    const changed = credential.with({ username: 'other', password: 'other', dbname: 'other' })
    expect(credential.serialize()).toBe(before)
    expect(credential).toMatchObject({ username: 'app', password: 'Hidden-1', dbname: 'app' })
    expect(changed).toMatchObject({ username: 'other', password: 'other', dbname: 'other' })
  })
})

describe('a comparison', () => {
  test('by equalsExceptPassword ignores the password alone', () => {
    expect(parse().equalsExceptPassword(parse({ password: 'other' }))).toBe(true)
    expect(parse().equalsExceptPassword(parse({ username: 'other' }))).toBe(false)
    expect(parse().equalsExceptPassword(parse({ host: 'other' }))).toBe(false)
    expect(parse().equalsExceptPassword(parse({ note: 'more' }))).toBe(false)
  })

  test('by equalsExceptUserAndPassword ignores the password and the user', () => {
    expect(parse().equalsExceptUserAndPassword(parse({ password: 'other', username: 'other' }))).toBe(true)
    for (const change of [
      { host: 'other' },
      { port: 5433 },
      { dbname: 'other' },
      { ssl: false },
      { masterarn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-AbCdEf' },
      { note: 'more' },
    ])
      expect(parse().equalsExceptUserAndPassword(parse(change)), JSON.stringify(change)).toBe(false)
  })
})

test('equal texts of `address` mean the same server', () => {
  expect(parse().address).toBe('db.example.com:5432')
  expect(parse({ host: 'DB.Example.com', port: 5432 }).address).toBe(parse().address)
  expect(parse({ port: 5433 }).address).not.toBe(parse().address)
  expect(parse({ engine: 'mysql' }).address).toBe('db.example.com:3306')
})

describe('the secret of a master of RDS, which has user and password alone', () => {
  const read = Credential.masterParser({ engine: 'aurora-mysql', host: 'db.example.com', port: 3307 })

  test('gets engine, host and port from RDS', () => {
    expect(read('{"username":"master","password":"Hidden-1"}')).toMatchObject({
      ...{ engine: 'mysql', host: 'db.example.com', port: 3307, username: 'master', password: 'Hidden-1' },
      ssl: true,
    })
    // The value of such a secret has no host.
    expect(read('{"username":"u","password":"p","host":"evil","port":1}').address).toBe('db.example.com:3307')
  })

  test.each([
    ['value', 'Hidden-2'],
    ['username', '{"password":"Hidden-2"}'],
    ['password', '{"username":"Hidden-2"}'],
  ])('is refused for its %s: %s', (field, text) => {
    const error = refusal(text, read)
    expect(error.field).toBe(field)
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
  })

  test('is refused for an engine that Keyturn does not know', () => {
    const oracle = Credential.masterParser({ engine: 'oracle-se2', host: 'h', port: 1521 })
    expect(refusal('{"username":"u","password":"p"}', oracle).field).toBe('engine')
  })
})

describe('nobody sees a value by accident', () => {
  const credential = parse({
    port: 5432,
    dbname: 'Hidden-db',
    apiKey: 'Hidden-key',
    nested: { key: 'Hidden-n' },
  })

  test('in JSON.stringify, which has engine, host and user alone', () => {
    expect(JSON.parse(JSON.stringify(credential))).toEqual({
      engine: 'postgres',
      host: 'db.example.com',
      username: 'app',
    })
    expect(JSON.stringify({ list: [credential] }, null, 2)).not.toContain('Hidden')
  })

  test('in console.log and inspect, at any depth', () => {
    expect(inspect(credential)).toBe('Credential(postgres user "app" on db.example.com)')
    for (const options of [
      { depth: null, showHidden: true, getters: true },
      { depth: null, showHidden: true, customInspect: false },
    ])
      expect(inspect({ list: [credential], map: new Map([[1, credential]]) }, options)).not.toContain(
        'Hidden',
      )
  })

  test('in template strings and concatenation', () => {
    expect(`${credential}`).toBe('postgres user "app" on db.example.com')
    // biome-ignore lint/style/useTemplate: the other way to make a text is what is tested here
    expect('' + credential).not.toContain('Hidden')
  })

  test('in copies and keys', () => {
    expect(Object.keys(credential)).toEqual([])
    expect(JSON.stringify({ ...credential })).not.toContain('Hidden')
    expect(JSON.stringify(structuredClone(credential))).not.toContain('Hidden')
    expect(JSON.stringify(Object.getOwnPropertyDescriptors(credential))).not.toContain('Hidden')
  })

  test('and a user name cannot forge a second line', () => {
    expect(`${parse({ username: 'a\nb' })}`).toBe('postgres user "a\\nb" on db.example.com')
  })
})

const connection = '{"engine":"postgres","host":"db.example.com","port":5433,"username":"app","note":"kept"}'

describe('a password alone', () => {
  const read = Credential.passwordOnlyParser(connection)

  test('gets all but the password from its connection', () => {
    expect(read('Hidden-1')).toMatchObject({
      ...{ engine: 'postgres', host: 'db.example.com', port: 5433, dbname: undefined, ssl: true },
      ...{ username: 'app', password: 'Hidden-1', masterarn: undefined },
    })
    const whole =
      '{"engine":"aurora-postgresql","host":"h","username":"u","port":"1","dbname":"d","ssl":"false"}'
    expect(Credential.passwordOnlyParser(whole)('p')).toMatchObject({
      ...{ engine: 'postgres', host: 'h', port: 1, dbname: 'd', username: 'u', ssl: false },
    })
  })

  test.each(['Hidden-1', ' ', '5432', '"quoted"', JSON.stringify(least), 'ü"\\\n☂ $&{}'])(
    'may be any text, which is kept exactly: %j',
    text => {
      expect(read(text).password).toBe(text)
      expect(read(text).serialize()).toBe(text)
    },
  )

  test('is all that changes when it gets a new one', () => {
    const credential = read('Hidden-1')
    expect(credential.with({ password: 'next' }).serialize()).toBe('next')
    expect(credential.serialize()).toBe('Hidden-1')
    expect(credential.with({ dbname: 'other' })).toMatchObject({ dbname: 'other', password: 'Hidden-1' })
  })

  test('is compared by its connection', () => {
    const other = (change: object) =>
      Credential.passwordOnlyParser(JSON.stringify({ ...JSON.parse(connection), ...change }))
    expect(read('one').equalsExceptPassword(read('other'))).toBe(true)
    expect(read('one').equalsExceptPassword(read('one').with({ username: 'other' }))).toBe(false)
    expect(read('one').equalsExceptUserAndPassword(other({ username: 'other' })('one'))).toBe(true)
    for (const change of [
      { host: 'other' },
      { port: 5432 },
      { dbname: 'other' },
      { ssl: false },
      { note: 'more' },
    ])
      expect(read('one').equalsExceptUserAndPassword(other(change)('one')), JSON.stringify(change)).toBe(
        false,
      )
  })

  test.each(['', 'Hidden-2\0'])('is refused if it is %j', text => {
    const error = refusal(text, read)
    expect(error.message).toBe("password: should be the user's password, not empty")
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
  })

  test('ignores an admin in its connection', () => {
    const masterarn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-AbCdEf'
    for (const given of [masterarn, 5])
      expect(
        Credential.passwordOnlyParser(JSON.stringify({ ...JSON.parse(connection), masterarn: given }))('p')
          .masterarn,
      ).toBeUndefined()
  })

  test.each(['engine', 'host', 'username'])('needs a connection with %s', field => {
    const text = JSON.stringify({ ...JSON.parse(connection), [field]: undefined })
    expect(refusal(text, Credential.passwordOnlyParser).field).toBe(field)
  })

  test.each(['', 'Hidden-2', 'null', '"Hidden-2"'])(
    'needs a connection that is a JSON object, not %j',
    text => {
      const error = refusal(text, Credential.passwordOnlyParser)
      expect(error.message).toBe('value: should be a JSON object with engine, host and username')
      expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
    },
  )

  test('needs a connection with a database, not an opaque value', () => {
    const text = connection.replace('postgres', 'opaque')
    expect(refusal(text, Credential.passwordOnlyParser).field).toBe('engine')
  })
})

describe('an opaque value', () => {
  test.each(['Hidden-1', '', '\0', JSON.stringify(least), '{"engine":"opaque"', 'ü"\\\n☂'])(
    'may be any text, which is kept exactly: %j',
    text => {
      const credential = Credential.parseOpaque(text)
      expect(credential).toMatchObject({ engine: 'opaque', host: '', username: '', password: text })
      expect(credential).toMatchObject({ port: undefined, dbname: undefined, masterarn: undefined })
      expect(credential.serialize()).toBe(text)
      expect(credential.with({ password: 'next' }).serialize()).toBe('next')
    },
  )

  test('counts as of the same user as any other', () => {
    expect(Credential.parseOpaque('one').equalsExceptPassword(Credential.parseOpaque('other'))).toBe(true)
  })

  test('cannot be declared by the field engine', () => {
    expect(refusal(JSON.stringify({ ...least, engine: 'opaque' })).field).toBe('engine')
  })
})

test.each([
  [
    'a password alone',
    Credential.passwordOnlyParser(connection)('Hidden-1'),
    'postgres user "app" on db.example.com',
  ],
  ['an opaque value', Credential.parseOpaque('Hidden-1'), 'an opaque value'],
])('%s is not seen by accident either', (_, credential, shown) => {
  expect(`${credential}`).toBe(shown)
  expect(inspect(credential)).toBe(`Credential(${shown})`)
  const { engine, host, username } = credential
  expect(JSON.parse(JSON.stringify(credential))).toEqual({ engine, host, username })
  for (const options of [{ getters: true }, { customInspect: false }])
    expect(inspect([credential], { depth: null, showHidden: true, ...options })).not.toContain('Hidden')
})
