import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { AddTagsToResourceCommand, GetParameterCommand } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { ADMIN_ARN } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import type { Engine } from '../../rotation/engines/engine.ts'
import { LoginRefused, NotPermitted } from '../../rotation/errors.ts'
import { addJsonMember } from '../../rotation/exactJson.ts'
import { parseOptions } from '../../rotation/options.ts'
import { rollbackAbandoned } from '../../rotation/rollback.ts'
import { type EditPipeline, setAdmin } from '../../rotation/setAdmin.ts'
import { createSecret } from '../../rotation/steps.ts'
import { LockedEdits } from '../../rotation/stores/edits.ts'
import { EDIT_LABEL, SecretEdits } from '../../rotation/stores/secretEdits.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import type { Description, Store } from '../../rotation/stores/store.ts'
import {
  bin,
  makeParameter,
  store as parameters,
  readHistory,
  readPendingParameters,
  ssmClient,
  storeFaults,
} from '../support/parameterStore.ts'

const rotationFunction = 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-rotateSecret'
const otherAdmin = ADMIN_ARN.replace('admin-', 'other-')
const value = { engine: 'postgres', host: 'db', port: 5432, username: 'shop', password: 'secret-of-shop' }
/** A value with a layout of its own, an unknown field, and numbers that JavaScript cannot represent. */
const text = `{
  "engine": "postgres", "host" : "db",
  "note": "\\u00e4 \\"}\\"", "big": 12345678901234567890, "zero": 1.0e+0,
  "port": "5432",
  "username": "shop", "password": "secret-of-shop"
}
`
const edited = text.replace('"secret-of-shop"', `"secret-of-shop",\n  "masterarn": "${ADMIN_ARN}"`)
const tags = { 'keyturn:managed': 'true', 'keyturn:strategy': 'alternating-users' }

let server: SecretsManagerServer
let client: SecretsManagerClient
/** What happens instead of each call of Secrets Manager, if it is set. */
let fault: ((action: string, call: () => Promise<unknown>) => Promise<unknown>) | undefined
const logins: string[] = []
let refused: boolean
let running: Set<string>
let admins: Record<string, { value: object; found: Partial<Description> }>
const readAdmin = vi.fn(async (arn: string) => Credential.parse(JSON.stringify(admins[arn]?.value)))

beforeAll(async () => {
  server = await startSecretsManager()
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  const settings = { endpoint: server.url, region: 'eu-west-1', credentials, maxAttempts: 1 }
  client = new SecretsManagerClient(settings)
})
afterAll(() => server.stop())
beforeEach(() => {
  fault = undefined
  refused = false
  running = new Set()
  logins.length = 0
  readAdmin.mockClear()
  server.refuse()
  const admin = { ...value, username: 'boss', password: 'secret-of-boss' }
  const found = { tags: { 'keyturn:admin': 'true' } }
  admins = { [ADMIN_ARN]: { value: admin, found }, [otherAdmin]: { value: admin, found } }
})

/** A client whose calls `fault` may have die. */
function faulty(): SecretsManagerClient {
  const send = client.send.bind(client) as (command: object) => Promise<unknown>
  const each = (command: object) => {
    const call = () => send(command)
    return fault ? fault(command.constructor.name.replace('Command', ''), call) : call()
  }
  return Object.assign(Object.create(client), { send: each })
}

const engine: Engine = {
  async login({ username }) {
    logins.push(username)
    if (refused) throw new LoginRefused('no')
    return { [Symbol.asyncDispose]: async () => {} } as never
  },
}

function pipelineOf(store: Store, edits: EditPipeline['edits']): EditPipeline {
  return {
    store,
    edits,
    loadEngine: async () => engine,
    readAdmin,
    readConnection: () => Promise.reject(new Error('none')),
    rds: () => Promise.reject(new NotPermitted('no RDS')),
    isRotating: async token => running.has(token),
    isExecutionRunning: async token => running.has(token),
    hasChangedNothing: async () => false,
    async describeAdmin(arn) {
      const found = admins[arn]?.found
      if (!found) throw new NotPermitted('AccessDenied')
      return { current: 'a', pending: undefined, previous: undefined, tags: {}, arn, ...found }
    },
    listedAdmins: [],
    rotationFunction,
    defaults: parseOptions({}),
  }
}
const ofSecrets = () => {
  const client = faulty()
  return pipelineOf(new SecretsManager(client), new SecretEdits(client))
}

/** Makes a secret as a successful rotation leaves it. */
const stagePending = (SecretId: string, MoveToVersionId: string) =>
  client.send(new UpdateSecretVersionStageCommand({ SecretId, VersionStage: 'AWSPENDING', MoveToVersionId }))

async function secret(
  more: { value?: string; tags?: Record<string, string> } = {},
): Promise<{ id: string; first: string }> {
  const first = randomUUID()
  const { ARN: id = '' } = await client.send(
    new CreateSecretCommand({
      Name: `shop/${first}`,
      SecretString: more.value ?? text,
      ClientRequestToken: first,
      Tags: Object.entries(more.tags ?? tags).map(([Key, Value]) => ({ Key, Value })),
    }),
  )
  server.calls.length = 0
  return { id, first }
}
const current = async (SecretId: string) =>
  (await client.send(new GetSecretValueCommand({ SecretId }))).SecretString
/** @returns the version of each label */
async function labels(SecretId: string): Promise<Record<string, string>> {
  const { VersionIdsToStages = {} } = await client.send(new DescribeSecretCommand({ SecretId }))
  return Object.fromEntries(
    Object.entries(VersionIdsToStages).flatMap(([version, stages]) => stages.map(stage => [stage, version])),
  )
}
const put = (SecretId: string, SecretString: string, ...VersionStages: string[]) =>
  client.send(
    new PutSecretValueCommand({
      SecretId,
      SecretString,
      ClientRequestToken: randomUUID(),
      ...(VersionStages.length && { VersionStages }),
    }),
  )
const started = Date.now()
const set = (id: string, admin = ADMIN_ARN, more = {}) =>
  setAdmin(ofSecrets(), { id, admin, started, ...more })
const writes = () => server.calls.map(({ action }) => action).filter(action => /^(Put|Update)/.test(action))

/** Expects no write, no login except perhaps current's, and no read of an admin's value. */
async function untouched(id: string, before: string | undefined, logged: string[] = []): Promise<void> {
  expect(await current(id)).toBe(before)
  expect(writes()).toEqual([])
  expect(readAdmin).not.toHaveBeenCalled()
  expect(logins).toEqual(logged)
}

describe('a secret', () => {
  test('gets the field masterarn and no other change, and the old version becomes previous', async () => {
    const { id, first } = await secret()
    const answer = await set(id)
    const { AWSCURRENT: version = '', ...others } = await labels(id)
    expect(answer).toEqual({
      ...{ arn: id, outcome: 'set', version, replaced: first },
      made: expect.stringMatching(/^20.*Z$/),
      passwordSince: expect.stringMatching(/^20.*Z$/),
    })
    expect(others).toEqual({ AWSPREVIOUS: first })
    expect(await current(id)).toBe(edited)
    expect(logins).toEqual(['shop'])
    expect(JSON.stringify(answer)).not.toContain('secret-of')
  })

  test('that names this admin already is left as it is, whoever named it', async () => {
    const { id } = await secret()
    await set(id)
    logins.length = server.calls.length = 0
    readAdmin.mockClear()
    expect(await set(id, ADMIN_ARN, { started: Date.now() + 60_000 })).toEqual({
      arn: id,
      outcome: 'already',
    })
    await untouched(id, edited)
    const byHand = await secret({ value: JSON.stringify({ ...value, masterarn: ADMIN_ARN }) })
    expect(await set(byHand.id)).toEqual({ arn: byHand.id, outcome: 'already' })
    expect(writes()).toEqual([])
  })

  test('that names another admin is refused', async () => {
    const named = JSON.stringify({ ...value, masterarn: otherAdmin })
    const { id } = await secret({ value: named })
    await expect(set(id)).rejects.toMatchObject({ name: 'InvalidCredential', field: 'masterarn' })
    await untouched(id, named)
  })

  test('gets another admin if this command named a wrong one before, and its password keeps its age', async () => {
    const { id, first } = await secret()
    const { passwordSince } = (await set(id, otherAdmin)) as { passwordSince: string }
    await sleep(2)
    const { AWSCURRENT: wrong } = await labels(id)
    const right = await set(id)
    expect(right).toMatchObject({ outcome: 'set', replaced: wrong, passwordSince })
    expect([wrong === first, await current(id)]).toEqual([false, edited])
    // The answer of the write was lost.
    expect(await set(id)).toEqual(right)
    expect(await set(id, otherAdmin)).toMatchObject({ outcome: 'set', passwordSince })
    expect(await set(id)).toMatchObject({ outcome: 'set', passwordSince })
    expect(await current(id)).toBe(edited)
    expect(Object.keys(await labels(id)).sort()).toEqual(['AWSCURRENT', 'AWSPREVIOUS'])
  })

  test.each([
    ['another password', (named: string) => named.replace('secret-of-shop', 'by-hand')],
    ['the same text', (named: string) => named],
  ])('whose admin this command named, and which a person has given %s since, is refused', async (_, by) => {
    const { id } = await secret()
    await set(id, otherAdmin)
    const theirs = by((await current(id)) ?? '')
    await put(id, theirs)
    server.calls.length = logins.length = 0
    readAdmin.mockClear()
    await expect(set(id)).rejects.toMatchObject({ name: 'InvalidCredential', field: 'masterarn' })
    await untouched(id, theirs)
  })

  const { 'keyturn:strategy': strategy, ...managed } = tags
  test.each([
    [
      'that is not managed by Keyturn',
      { 'keyturn:strategy': strategy },
      'NotPermitted',
      'keyturn:managed=true',
    ],
    ['whose strategy no tag says', managed, 'InvalidOption', 'keyturn:strategy: should be set before'],
    [
      'that is a password alone',
      { ...managed, 'keyturn:connection': '/a' },
      'InvalidOption',
      'keyturn:connection',
    ],
    ['that no database knows', { ...managed, 'keyturn:engine': 'opaque' }, 'InvalidOption', 'keyturn:engine'],
    ['of an admin', { ...tags, 'keyturn:admin': 'true' }, 'InvalidOption', "an admin's own secret"],
    ['at home elsewhere', { ...tags, 'keyturn:home': 'eu-central-1' }, 'NotAtHome', 'eu-central-1'],
  ])('%s is refused before its value is read', async (_, tags, name, words) => {
    const { id } = await secret({ tags })
    await expect(set(id)).rejects.toMatchObject({ name, message: expect.stringContaining(words) })
    expect(server.calls.map(({ action }) => action)).toEqual(['DescribeSecret'])
    await untouched(id, text)
  })

  test.each<[string, Partial<Description>, string]>([
    ['the service of AWS that manages it', { owner: 'rds' }, 'InvalidCredential'],
    ['its primary, whose replica it is', { primaryRegion: 'eu-central-1' }, 'InvalidCredential'],
    ['a replica that failed', { replicas: [{ region: 'us-east-1', status: 'Failed' }] }, 'ReplicasBehind'],
    ['a replica in progress', { replicas: [{ region: 'us-east-1', status: 'InProgress' }] }, 'Conflict'],
  ])('is refused because of %s', async (_, more, name) => {
    const { id } = await secret()
    const pipeline = ofSecrets()
    const describe = pipeline.store.describe.bind(pipeline.store)
    pipeline.store.describe = async id => ({ ...(await describe(id)), ...more })
    await expect(setAdmin(pipeline, { id, admin: ADMIN_ARN, started })).rejects.toMatchObject({ name })
    await untouched(id, text)
  })

  test('that this stack rotates needs no tag', async () => {
    const { id } = await secret({ tags: { 'keyturn:strategy': strategy } })
    const pipeline = ofSecrets()
    const describe = pipeline.store.describe.bind(pipeline.store)
    pipeline.store.describe = async id => ({ ...(await describe(id)), rotatedBy: rotationFunction })
    expect(await setAdmin(pipeline, { id, admin: ADMIN_ARN, started })).toMatchObject({ outcome: 'set' })
  })

  test.each([
    ['runs', true, 'RotationInProgress'],
    ['died', false, 'RotationAbandoned'],
  ])('with a pending rotation that %s is left alone', async (_, runs, name) => {
    const { id } = await secret()
    const { VersionId = '' } = await put(id, text, 'AWSPENDING')
    if (runs) running.add(VersionId)
    server.calls.length = 0
    await expect(set(id)).rejects.toMatchObject({ name })
    await untouched(id, text)
  })

  test('whose application is on a temporary clone is refused until it has moved back', async () => {
    const clone = JSON.stringify({ ...value, username: 'shop_clone' })
    const { id } = await secret({ value: clone, tags: { ...managed, 'keyturn:strategy': 'temporary-clone' } })
    await expect(set(id)).rejects.toMatchObject({ name: 'RotationInProgress' })
    await untouched(id, clone)
  })

  test('whose current does not log in gets no admin, and the admin’s value is not read', async () => {
    const { id } = await secret()
    refused = true
    await expect(set(id)).rejects.toMatchObject({ name: 'LoginRefused' })
    await untouched(id, text, ['shop'])
  })

  test.each([
    ['untagged', { tags: {} }, 'NotPermitted', 'keyturn:admin=true'],
    ['out of reach', undefined, 'NotPermitted', 'keyturn:admin=true'],
    [
      'named by a part of its ARN',
      { tags: { 'keyturn:admin': 'true' }, arn: `${ADMIN_ARN}-and` },
      'InvalidCredential',
      'whole ARN',
    ],
  ])('is refused an admin that is %s', async (_, found, name, words) => {
    const { id } = await secret()
    admins[ADMIN_ARN] = { value: {}, found: found as Partial<Description> }
    await expect(set(id)).rejects.toMatchObject({ name, message: expect.stringContaining(words) })
    await untouched(id, text)
  })

  test('gets an admin that the deployment lists, without a tag', async () => {
    const { id } = await secret()
    admins[ADMIN_ARN] = { value: { ...value, username: 'boss' }, found: {} }
    const wanted = { id, admin: ADMIN_ARN, started }
    expect(await setAdmin({ ...ofSecrets(), listedAdmins: [ADMIN_ARN] }, wanted)).toMatchObject({
      outcome: 'set',
    })
  })

  test.each([
    ['of another database', { host: 'elsewhere' }, 'HostMismatch'],
    ['of another engine', { engine: 'mysql' }, 'HostMismatch'],
    ['who is the user', { username: 'shop' }, 'InvalidCredential'],
    ['who is its clone', { username: 'shop_clone' }, 'InvalidCredential'],
  ])('is refused an admin %s', async (_, more, name) => {
    const { id } = await secret()
    admins[ADMIN_ARN] = { value: { ...value, ...more }, found: { tags: { 'keyturn:admin': 'true' } } }
    await expect(set(id)).rejects.toMatchObject({ name })
    expect(writes()).toEqual([])
    expect(logins).toEqual(['shop'])
  })

  test('cannot be its own admin', async () => {
    const { id } = await secret()
    await expect(set(id, id)).rejects.toMatchObject({ name: 'InvalidCredential', field: 'admin' })
    await untouched(id, text)
  })

  test('keeps a value that somebody else writes at the same moment', async () => {
    const { id } = await secret()
    const theirs = text.replace('secret-of-shop', 'by-hand')
    fault = async (action, call) => {
      if (action === 'UpdateSecretVersionStage' && !writes().includes('UpdateSecretVersionStage'))
        await put(id, theirs)
      return call()
    }
    await expect(set(id)).rejects.toMatchObject({ name: 'Superseded' })
    expect(await current(id)).toBe(theirs)
    expect(Object.keys(await labels(id))).not.toContain(EDIT_LABEL)
  })

  test('is left to a rotation that begins while AWSPENDING is removed from the last rotation’s version', async () => {
    const { id, first } = await secret()
    await stagePending(id, first)
    fault = async (action, call) => {
      if (action === 'UpdateSecretVersionStage' && !writes().includes('UpdateSecretVersionStage'))
        await put(id, text, 'AWSPENDING')
      return call()
    }
    server.calls.length = 0
    await expect(set(id)).rejects.toMatchObject({ name: 'RotationInProgress' })
    const { AWSCURRENT, AWSPENDING, ...others } = await labels(id)
    expect([AWSCURRENT, AWSPENDING === first, others]).toEqual([first, false, {}])
  })

  test('is left to a rotation that begins while the value is written', async () => {
    const { id, first } = await secret()
    fault = async (action, call) => {
      const answer = await call()
      if (action === 'PutSecretValue') await put(id, text, 'AWSPENDING')
      return answer
    }
    await expect(set(id)).rejects.toMatchObject({ name: 'RotationInProgress' })
    expect(await labels(id)).toMatchObject({ AWSCURRENT: first, AWSPENDING: expect.anything() })
    expect(Object.keys(await labels(id))).not.toContain(EDIT_LABEL)
  })

  test('is refused while a version of a try for another admin, which died, is left', async () => {
    const { id, first } = await secret()
    await put(id, addJsonMember(text, 'masterarn', otherAdmin), EDIT_LABEL)
    server.calls.length = 0
    await expect(set(id)).rejects.toMatchObject({
      name: 'RotationInProgress',
      message: expect.stringContaining(otherAdmin),
    })
    await untouched(id, text)
    expect(await labels(id)).toMatchObject({ AWSCURRENT: first })
  })

  test('loses the label of a try that died if its value has changed since', async () => {
    const { id } = await secret()
    await put(id, addJsonMember(text.replace('shop', 'older'), 'masterarn', otherAdmin), EDIT_LABEL)
    expect(await set(id)).toMatchObject({ outcome: 'set' })
    expect(Object.keys(await labels(id)).sort()).toEqual(['AWSCURRENT', 'AWSPREVIOUS'])
  })
})

/**
 * Repeats `run`, and has it die at another of the counted calls each time, before and after the call took effect.
 * @returns how many such calls there are
 */
async function dyingAtEach(
  counted: RegExp,
  begin: () => Promise<void>,
  arm: (each: (action: string, call: () => Promise<unknown>) => Promise<unknown>) => void,
  run: () => Promise<unknown>,
  after: (when: string) => Promise<void>,
): Promise<number> {
  class Death extends Error {}
  for (let at = 1; ; at++)
    for (const effect of [false, true]) {
      await begin()
      let count = 0
      let where = ''
      arm(async (action, call) => {
        if (count > at) throw new Death()
        if (!counted.test(action)) return call()
        count++
        if (count > at) throw new Death()
        if (count < at) return call()
        where = action
        if (effect) await call()
        throw new Death()
      })
      const done = await run().then(
        () => true,
        () => false,
      )
      arm((_, call) => call())
      if (done && count < at) return at - 1
      await after(`dead ${effect ? 'after' : 'at'} call ${at}, ${where}`)
    }
}

test('a setAdmin that dies at any call stops no rotation, and the next one completes it', async () => {
  let id = ''
  let first = ''
  const calls = await dyingAtEach(
    /./,
    async () => {
      ;({ id, first } = await secret())
      await stagePending(id, first)
    },
    each => {
      fault = each
    },
    () => set(id),
    async when => {
      const { AWSCURRENT, AWSPENDING } = await labels(id)
      expect([undefined, AWSCURRENT], when).toContain(AWSPENDING)
      expect([text, edited], when).toContain(await current(id))
      const pipeline = ofSecrets()
      const token = randomUUID()
      // If the edit was not completed, the rotation lacks the admin and nothing else.
      const rotation = createSecret(pipeline, { id, token })
      if (AWSCURRENT === first)
        await expect(rotation, when).rejects.toMatchObject({ name: 'InvalidCredential', field: 'masterarn' })
      else {
        await rotation
        await pipeline.store.discard(id, token)
      }
      const again = await set(id, ADMIN_ARN, { started })
      expect(again, when).toMatchObject({ outcome: 'set', replaced: first })
      expect(await current(id), when).toBe(edited)
      expect(await labels(id), when).toEqual({
        AWSCURRENT: 'version' in again && again.version,
        AWSPREVIOUS: first,
      })
    },
  )
  expect(calls).toBeGreaterThan(6)
})

describe.skipIf(!bin)('a parameter', () => {
  const ofParameters = () => pipelineOf(parameters, new LockedEdits(parameters))
  const set = (id: string) => setAdmin(ofParameters(), { id, admin: ADMIN_ARN, started: Date.now() + 60_000 })
  async function managed(more = {}): Promise<string> {
    const ResourceId = await makeParameter({
      Value: text,
      Tier: 'Advanced',
      Description: 'of the shop',
      ...more,
    })
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    await ssmClient.send(new AddTagsToResourceCommand({ ResourceType: 'Parameter', ResourceId, Tags }))
    return ResourceId
  }
  const read = async (Name: string) =>
    (await ssmClient.send(new GetParameterCommand({ Name, WithDecryption: true }))).Parameter?.Value

  test('gets the field masterarn as a secret does, and keeps type, key, tier and description', async () => {
    const id = await managed()
    expect(await set(id)).toMatchObject({
      outcome: 'set',
      replaced: 'v1',
      made: expect.any(String),
      passwordSince: expect.any(String),
    })
    expect(await read(id)).toBe(edited)
    const [before, after] = await readHistory(id)
    const { Type, KeyId, Tier, Description } = before ?? {}
    expect(after).toMatchObject({ Type, KeyId, Tier, Description, Version: 2 })
    expect(await readPendingParameters(id)).toEqual([])
    expect(await set(id)).toEqual({ outcome: 'already' })
    expect(await readHistory(id)).toHaveLength(2)
  })

  test('gets another admin if this command named a wrong one before, and its password keeps its age', async () => {
    const id = await managed()
    const wrong = { id, admin: otherAdmin, started: Date.now() + 60_000 }
    const { passwordSince } = (await setAdmin(ofParameters(), wrong)) as { passwordSince: string }
    const right = { id, admin: ADMIN_ARN, started: 0 }
    const answer = await setAdmin(ofParameters(), right)
    expect(answer).toMatchObject({ outcome: 'set', passwordSince })
    expect(await setAdmin(ofParameters(), right)).toEqual(answer)
    expect(await read(id)).toBe(edited)
    expect(await readHistory(id)).toHaveLength(3)
  })

  test('with a running rotation is left alone', async () => {
    const id = await managed()
    const token = randomUUID()
    running.add(token)
    await parameters.propose(id, token, Credential.parse(text))
    await expect(set(id)).rejects.toMatchObject({ name: 'RotationInProgress' })
    expect(await read(id)).toBe(text)
  })

  test('gets its admin by the next setAdmin after one died at any call', async () => {
    let id = ''
    const calls = await dyingAtEach(
      /^(Put|Label|Delete)/,
      async () => {
        id = await managed()
      },
      each => {
        storeFaults.each = each
      },
      () => set(id),
      async when => {
        expect(await set(id), when).toMatchObject({ outcome: expect.stringMatching(/^(set|already)$/) })
        expect(await read(id), when).toBe(edited)
        expect(await readPendingParameters(id), when).toEqual([])
        expect(await readHistory(id), when).toHaveLength(2)
      },
    )
    expect(calls).toBe(6)
  })

  test('whose setAdmin died with the lock is rotated after a rollback', async () => {
    const id = await managed()
    storeFaults.each = async (action, call) => {
      if (action === 'PutParameter' && (await readPendingParameters(id)).length === 2) throw new Error('dead')
      return call()
    }
    await expect(set(id)).rejects.toThrow()
    storeFaults.each = undefined
    expect(await readPendingParameters(id)).toHaveLength(2)
    expect(await rollbackAbandoned(ofParameters(), id)).toMatchObject({ outcome: 'intact' })
    expect((await parameters.describe(id)).pending).toBeUndefined()
    expect(await read(id)).toBe(text)
    expect(await set(id)).toMatchObject({ outcome: 'set' })
  })
})

test('addJsonMember adds a member to a text of any layout, and changes nothing else', () => {
  for (const [before, after] of [
    ['{"a":1}', '{"a":1,"m":"x"}'],
    ['{"a": 1, "b": 2}', '{"a": 1, "b": 2,"m": "x"}'],
    ['{\n\t"a": "}"\n}\n', '{\n\t"a": "}",\n\t"m": "x"\n}\n'],
    [' { "a\\"": {} } ', ' { "a\\"": {}, "m": "x" } '],
  ] as const)
    expect(addJsonMember(before, 'm', 'x')).toBe(after)
})
