import { expect, test } from 'vitest'
import { parseCheckEvent } from '../../../functions/shared/checkEvent.ts'
import {
  NoObject,
  parseCreateSecretEvent,
  parseFindDueEvent,
  parseRollbackEvent,
  parseRotationEvent,
  parseStartRotationEvent,
} from '../../../functions/shared/event.ts'
import { parseServiceEvent } from '../../../functions/shared/serviceEvent.ts'
import * as errors from '../../../rotation/errors.ts'

const token = '8f14e45f-ceea-467f-a0e6-0123456789ab'
const start = { execution: token, rotation: { store: 'secrets-manager', id: 'app/db' } }
const untold = {
  ...start.rotation,
  engine: 'postgres',
  host: 'db.example.com',
  strategy: 'single-user',
  user: 'app',
  nextUser: 'app',
  replaces: 'first',
}
const created = { ...untold, token }

test('parseCreateSecretEvent reads the execution’s input, and takes its name for the token', () => {
  expect(parseCreateSecretEvent(start)).toEqual({ abandoned: false, rotation: { ...start.rotation, token } })
  expect(parseCreateSecretEvent({ ...start, rotation: { ...start.rotation, token } }).rotation.token).toBe(
    token,
  )
})

test('parseCreateSecretEvent reads that this is the way back from a temporary clone', () => {
  const back = { ...start.rotation, moveBack: true }
  expect(parseCreateSecretEvent({ ...start, rotation: back }).rotation).toMatchObject(back)
  const other = { ...start, rotation: { ...back, moveBack: 'soon' } }
  expect(() => parseCreateSecretEvent(other)).toThrow('moveBack: should be true, or left out')
})

test('a further attempt is named after its token, which the input must then name', () => {
  for (const execution of [`${token}-2`, `${token}-10`])
    expect(parseCreateSecretEvent({ execution, rotation: { ...start.rotation, token } }).rotation.token).toBe(
      token,
    )
  expect(parseCreateSecretEvent({ ...start, execution: `${token}-2` }).rotation.token).toBe(`${token}-2`)
})

test('parseServiceEvent reads what Secrets Manager calls a rotation function with', () => {
  const call = { Step: 'setSecret', SecretId: 'arn', ClientRequestToken: token }
  const rotation = { store: 'secrets-manager', id: 'arn', token }
  expect(parseServiceEvent(call)).toEqual({ step: 'setSecret', rotation, rotationToken: undefined })
  expect(parseServiceEvent({ ...call, RotationToken: 'proof' }).rotationToken).toBe('proof')
  for (const [field, value] of [
    ['Step', 'dropSecret'],
    ['SecretId', ''],
    ['ClientRequestToken', 'short'],
    ['ClientRequestToken', `${token}:more`],
    ['RotationToken', 7],
  ])
    expect(() => parseServiceEvent({ ...call, [`${field}`]: value })).toThrow(
      expect.objectContaining({
        name: 'InvalidInput',
        message: expect.stringMatching(`^${field}: should be `),
      }),
    )
})

test('unknown keys are left out', () => {
  expect(parseCreateSecretEvent({ ...start, more: 1, rotation: { ...start.rotation, more: 1 } })).toEqual(
    parseCreateSecretEvent(start),
  )
})

test('parseRotationEvent reads what createSecret returned', () => {
  const all = { ...created, grace: 60, testQuery: 'select 1', pooler: 'auth-query' }
  expect(parseRotationEvent({ execution: token, rotation: all })).toEqual({ abandoned: false, rotation: all })
  expect(parseRotationEvent({ execution: token, rotation: created }).rotation).toEqual(created)
})

test('parseRotationEvent reads a connection, and an opaque value, which has neither host nor user', () => {
  const connected = { ...created, connection: '/shop/connection' }
  expect(parseRotationEvent({ execution: token, rotation: connected }).rotation).toEqual(connected)
  const opaque = { ...created, engine: 'opaque', host: '', user: '', nextUser: '' }
  expect(parseRotationEvent({ execution: token, rotation: opaque }).rotation).toEqual(opaque)
  for (const field of ['host', 'user', 'nextUser'])
    expect(() => parseRotationEvent({ execution: token, rotation: { ...opaque, [field]: 'x' } })).toThrow(
      `${field}: should be as the state machine passes it`,
    )
})

test('parseRollbackEvent reads what there is, of this rotation or of an abandoned one', () => {
  expect(parseRollbackEvent(start)).toEqual({ abandoned: false, rotation: { ...start.rotation, token } })
  expect(parseRollbackEvent({ ...start, abandoned: true, rotation: created })).toEqual({
    abandoned: true,
    rotation: {
      ...{ ...start.rotation, token, engine: 'postgres', strategy: 'single-user' },
      // By these keys the rollback knows whether the user was changed meanwhile.
      ...{ host: 'db.example.com', user: 'app', replaces: 'first' },
    },
  })
  for (const kind of [{ engine: 'opaque' }, { engine: 'postgres', connection: '/shop/connection' }])
    expect(parseRollbackEvent({ ...start, rotation: { ...start.rotation, ...kind } }).rotation).toMatchObject(
      kind,
    )
})

test.each([
  ['execution', { execution: undefined }],
  ['execution', { execution: '' }],
  ['execution', { execution: 5 }],
  ['rotation', { rotation: undefined }],
  ['rotation', { rotation: null }],
  ['rotation', { rotation: 'text' }],
  ['abandoned', { abandoned: 'yes' }],
  ['store', { rotation: { ...created, store: undefined } }],
  ['store', { rotation: { ...created, store: 'vault' } }],
  ['id', { rotation: { ...created, id: undefined } }],
  ['id', { rotation: { ...created, id: '' } }],
  ['id', { rotation: { ...created, id: ['app/db'] } }],
  ['token', { rotation: { ...created, token: 5 } }],
  ['token', { rotation: { ...created, token: 'of another execution' } }],
  ['token', { execution: 'too-short', rotation: untold }],
  ['token', { execution: 'x'.repeat(65), rotation: untold }],
  ['token', { execution: `${token}:more`, rotation: untold }],
  ['token', { execution: `${token}\n`, rotation: untold }],
  ['token', { execution: `${token}-1` }],
  ['token', { execution: `${token}-02` }],
  ['token', { execution: `${token}-2-2` }],
  ['token', { execution: `${token}-two` }],
  ['token', { execution: `x${token}-2` }],
])('every parser refuses a wrong %s by its name: %j', (field, change) => {
  // An execution's input that is no object has an error of its own.
  const fieldless = 'rotation' in change && (change.rotation === null || typeof change.rotation === 'string')
  for (const parse of [
    ...(fieldless ? [] : [parseCreateSecretEvent]),
    parseRotationEvent,
    parseRollbackEvent,
  ]) {
    const run = () => parse({ execution: token, rotation: created, ...change })
    expect(run).toThrow(errors.InvalidInput)
    expect(run).toThrow(new RegExp(`^${field}: should be `))
  }
})

test.each([[null], ['a text'], [7], [[created]], [true]])(
  'an execution’s input that is no object throws NoObject: %j',
  rotation => {
    const run = () => parseCreateSecretEvent({ execution: token, rotation })
    expect(run).toThrow(NoObject)
    expect(run).toThrow(/^input: should be an object, such as \{"store":"secrets-manager"/)
  },
)

test.each([
  ['engine', 'oracle'],
  ['engine', undefined],
  ['engine', null],
  ['connection', ''],
  ['host', ''],
  ['strategy', 'none'],
  ['user', undefined],
  ['nextUser', ''],
  ['replaces', undefined],
  ['grace', 'never'],
  ['testQuery', ''],
  ['pooler', 'static'],
])('parseRotationEvent refuses a wrong %s: %j', (field, value) => {
  const run = () => parseRotationEvent({ execution: token, rotation: { ...created, [field]: value } })
  expect(run).toThrow(errors.InvalidInput)
  expect(run).toThrow(`${field}: should be as the state machine passes it`)
})

test.each([undefined, null, 'text', 5])('an event that is no object throws InvalidInput: %j', event => {
  expect(() => parseCreateSecretEvent(event)).toThrow(errors.InvalidInput)
})

test('the error says what a store, an id and a token are', () => {
  const change = (rotation: object) => () =>
    parseCreateSecretEvent({ ...start, rotation: { ...start.rotation, ...rotation } })
  expect(change({ store: 'vault' })).toThrow('store: should be one of: secrets-manager, parameter-store')
  expect(change({ id: '' })).toThrow(
    'id: should be the name or the ARN of the secret, or the name of the parameter',
  )
  expect(change({ token: 'other' })).toThrow('token: should be the name of the execution')
})

const call = { ...start.rotation, token, at: '2026-11-21T10:00:00Z', until: null, group: 'one', server: null }
const service = { Step: 'setSecret', SecretId: 'arn', ClientRequestToken: token, RotationToken: 'proof' }

test.each([
  [
    'parseCreateSecretEvent',
    (rotation: object) => parseCreateSecretEvent({ execution: token, rotation }),
    { ...start.rotation, token, group: 'one' },
  ],
  ['parseStartRotationEvent', parseStartRotationEvent, call],
  ['parseCheckEvent', parseCheckEvent, start.rotation],
  ['parseFindDueEvent', parseFindDueEvent, { run: 'one', overlaps: true }],
  ['parseServiceEvent', parseServiceEvent, service],
])('%s refuses each field by its name, in words', (_, parse, event) => {
  parse(event as never)
  for (const field of Object.keys(event))
    expect(() => parse({ ...event, [field]: { of: 'another kind' } } as never)).toThrow(
      expect.objectContaining({
        name: 'InvalidInput',
        message: expect.stringMatching(`^${field}: should be (?!undefined)\\S`),
      }),
    )
})

test('parseCheckEvent accepts no other key, and no id that is longer than an ARN', () => {
  expect(parseCheckEvent(start.rotation)).toEqual(start.rotation)
  for (const event of [
    { ...start.rotation, testQuery: 'select 1' },
    { ...start.rotation, id: 'x'.repeat(2049) },
    [],
    'shop/database',
    null,
  ])
    expect(() => parseCheckEvent(event)).toThrow(errors.InvalidInput)
})

test('parseCheckEvent tells a person who writes another input what the input should be', () => {
  for (const event of [{ ...start.rotation, testQuery: 'select 1' }, 'shop/database', null])
    expect(() => parseCheckEvent(event)).toThrow(
      'input: should be an object with store and id, and nothing else',
    )
})

test('a wrong field that no person writes should be as the state machine passes it', () => {
  expect(() => parseStartRotationEvent({ ...call, group: 7 })).toThrow(
    'group: should be as the state machine passes it',
  )
  expect(() => parseFindDueEvent({ run: 'one', overlaps: 'yes' })).toThrow(
    'overlaps: should be as the state machine passes it',
  )
})
