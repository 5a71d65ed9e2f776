import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  GetRandomPasswordCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  type SecretsManagerClientConfig,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type SecretsManagerServer, startSecretsManager } from '../../../local/aws/secretsManager.ts'
import { makeCertificate } from '../../../local/servers/certificate.ts'
import { Credential } from '../../../rotation/credential.ts'
import {
  InvalidCredential,
  NotPermitted,
  RotationInProgress,
  StoreFailed,
  Superseded,
  Throttled,
} from '../../../rotation/errors.ts'
import { SecretsManager } from '../../../rotation/stores/secretsManager.ts'
import type { Store } from '../../../rotation/stores/store.ts'
import { credentialWith } from '../../support/contracts/store.ts'
import { rejectionOf } from '../../support/observe.ts'

let server: SecretsManagerServer
let client: SecretsManagerClient
let store: Store

function clientFor(endpoint: string, more: SecretsManagerClientConfig = {}): SecretsManagerClient {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  return new SecretsManagerClient({ endpoint, region: 'eu-west-1', credentials, maxAttempts: 1, ...more })
}

beforeAll(async () => {
  server = await startSecretsManager()
  client = clientFor(server.url)
  store = new SecretsManager(client)
})
afterEach(() => server.refuse())
afterAll(() => server.stop())

/** Makes a secret whose only version has this value and is current, or a secret without a version. */
async function secret(value: { SecretString?: string; SecretBinary?: Uint8Array }) {
  const [id, first] = [`only/${randomUUID()}`, randomUUID()]
  const { ARN = '' } = await client.send(
    new CreateSecretCommand({ Name: id, ClientRequestToken: first, ...value }),
  )
  return { id, first, arn: ARN }
}
const usual = () => secret({ SecretString: credentialWith('first').serialize() })

/** Starts a server on a free port. @returns its URL */
async function listen(http: Server): Promise<string> {
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`
}

async function withClient<T>(other: SecretsManagerClient, run: () => Promise<T>): Promise<T> {
  const usualStore = store
  store = new SecretsManager(other)
  try {
    return await run()
  } finally {
    store = usualStore
  }
}

/** Every method of the store, on the same secret. */
const methods: Record<
  Exclude<keyof Store, 'withParser' | 'wouldPropose'>,
  (id: string, token: string) => Promise<unknown>
> = {
  describe: id => store.describe(id),
  read: id => store.read(id, { stage: 'current' }),
  propose: id => store.propose(id, randomUUID(), credentialWith('next')),
  promote: (id, token) => store.promote(id, randomUUID(), token),
  rehearsePromote: (id, token) => store.rehearsePromote(id, token),
  discard: (id, token) => store.discard(id, token),
  listTokens: id => store.listTokens(id),
}
const names = Object.keys(methods) as (keyof typeof methods)[]

test('a rotation token is sent with each value that is written, whatever its format', async () => {
  const { id } = await usual()
  const send = vi.spyOn(client, 'send')
  await new SecretsManager(client)
    .withRotationToken('proof')
    .withParser(Credential.parseOpaque)
    .propose(id, randomUUID(), Credential.parseOpaque('p'))
  expect(send.mock.lastCall?.[0].input).toMatchObject({ SecretString: 'p', RotationToken: 'proof' })
  send.mockRestore()
})

describe('calls', () => {
  test('are one for each method, when all goes well', async () => {
    const { id, first } = await usual()
    const next = randomUUID()
    const actionsOf = async (run: Promise<unknown>) => {
      const before = server.calls.length
      await run
      return server.calls.slice(before).map(({ action }) => action)
    }
    expect(await actionsOf(store.describe(id))).toEqual(['DescribeSecret'])
    expect(await actionsOf(store.read(id, { token: first, stage: 'current' }))).toEqual(['GetSecretValue'])
    expect(await actionsOf(store.propose(id, next, credentialWith('next')))).toEqual(['PutSecretValue'])
    expect(await actionsOf(store.promote(id, next, first))).toEqual(['UpdateSecretVersionStage'])
    expect(await actionsOf(store.discard(id, next))).toEqual(['UpdateSecretVersionStage'])
    expect(await actionsOf(store.listTokens(id))).toEqual(['ListSecretVersionIds'])
  })

  test('may name the secret by its ARN', async () => {
    const { id, arn, first } = await usual()
    const next = randomUUID()
    await store.propose(arn, next, credentialWith('next'))
    await store.promote(arn, next, first)
    await store.discard(arn, next)
    expect(await store.describe(arn)).toEqual(await store.describe(id))
    expect(await store.read(arn, { stage: 'current' })).toMatchObject({ token: next })
    expect(await store.listTokens(arn)).toEqual([next, first])
  })

  test('are recorded without values', async () => {
    const { id } = await secret({ SecretString: credentialWith('Unrecorded-1').serialize() })
    await store.propose(id, randomUUID(), credentialWith('Unrecorded-2'))
    await store.read(id, { stage: 'pending' })
    expect(server.calls.at(-1)).toMatchObject({ action: 'GetSecretValue', secret: id, stage: 'AWSPENDING' })
    expect(inspect(server.calls, { depth: null, maxArrayLength: null })).not.toContain('Unrecorded')
  })
})

test('are recorded with the times at which they began and were answered', async () => {
  const before = performance.now()
  const { id } = await usual()
  const { began, ended = Number.NaN } = server.calls.findLast(({ secret }) => secret === id) ?? { began: 0 }
  const times = [before, began, ended, performance.now()]
  expect(times).toEqual(times.toSorted((a, b) => a - b))
})

test('over HTTPS are answered only for clients that trust the certificate', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'keyturn-https-'))
  const tls = await makeCertificate(folder.path)
  const secure = await startSecretsManager({ tls })
  try {
    const ask = (more: SecretsManagerClientConfig) =>
      clientFor(secure.url, more).send(new GetRandomPasswordCommand())
    const trusting = { requestHandler: { httpsAgent: { ca: readFileSync(tls.caFile) } } }
    expect((await ask(trusting)).RandomPassword).toHaveLength(32)
    expect(await rejectionOf(ask({}))).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    expect(secure.calls).toHaveLength(1)
  } finally {
    await secure.stop()
  }
})

describe('a version that RotateSecret staged before it has a value', () => {
  test('is pending, and reads as undefined', async () => {
    const { id, first } = await usual()
    const staged = server.stagePending(id)
    expect(await store.describe(id)).toMatchObject({ current: first, pending: staged })
    for (const which of [{ stage: 'pending' as const }, { token: staged }])
      expect(await store.read(id, which)).toBeUndefined()
    expect(await store.read(id, { token: staged, stage: 'pending' })).toBeUndefined()
  })

  test('takes the proposed value, under the same token', async () => {
    const { id, first } = await usual()
    const staged = server.stagePending(id)
    await store.propose(id, staged, credentialWith('next'))
    await store.propose(id, staged, credentialWith('other'))
    const version = await store.read(id, { token: staged, stage: 'pending' })
    expect(version?.credential.password).toBe('next')
    expect(await store.describe(id)).toMatchObject({ current: first, pending: staged })
  })

  test('loses its label to a new value of another token, but not to a kept one', async () => {
    const { id, first } = await usual()
    const early = randomUUID()
    await store.propose(id, early, credentialWith('early'))
    await store.discard(id, early)
    const staged = server.stagePending(id)
    const again = store.propose(id, early, credentialWith('other'))
    await expect(again).rejects.toThrow(RotationInProgress)
    await expect(again).rejects.toThrow(staged)
    expect(await store.describe(id)).toMatchObject({ current: first, pending: staged })
    const next = randomUUID()
    await store.propose(id, next, credentialWith('next'))
    expect(await store.describe(id)).toMatchObject({ current: first, pending: next })
  })

  test('is made by RotateSecret, which is refused while another version is pending', async () => {
    const { id, first } = await usual()
    const RotationLambdaARN = 'arn:aws:lambda:eu-west-1:123456789012:function:rotate'
    const rotate = (ClientRequestToken: string) =>
      client.send(new RotateSecretCommand({ SecretId: id, ClientRequestToken, RotationLambdaARN }))
    const next = randomUUID()
    for (const _ of [1, 2]) expect(await rotate(next)).toMatchObject({ VersionId: next })
    expect(await store.describe(id)).toMatchObject({ current: first, pending: next })
    expect(await store.read(id, { token: next })).toBeUndefined()
    await expect(rotate(randomUUID())).rejects.toThrow("A previous rotation isn't complete")
    await store.propose(id, next, credentialWith('next'))
    await store.promote(id, next, first)
    const later = randomUUID()
    await rotate(later)
    expect(await store.describe(id)).toMatchObject({ current: next, pending: later })
  })

  test('can be discarded', async () => {
    const { id, first } = await usual()
    const staged = server.stagePending(id)
    await store.discard(id, staged)
    expect(await store.describe(id)).toMatchObject({ current: first, pending: undefined })
    expect(await store.read(id, { token: staged })).toBeUndefined()
    expect(await store.listTokens(id)).toEqual([staged, first])
  })
})

test('AWSPENDING that stayed on the current version is not pending, but can be read by its label', async () => {
  const { id, first } = await usual()
  const next = randomUUID()
  await store.propose(id, next, credentialWith('next'))
  await store.promote(id, next, first)
  expect(await store.describe(id)).toMatchObject({ current: next, pending: undefined, previous: first })
  expect(await store.read(id, { stage: 'pending' })).toMatchObject({ token: next })
  const later = randomUUID()
  await store.propose(id, later, credentialWith('later'))
  expect(await store.describe(id)).toMatchObject({ current: next, pending: later, previous: first })
})

describe('a secret without AWSCURRENT', () => {
  test('has no current to describe, to read or to replace', async () => {
    const { id } = await secret({})
    const staged = server.stagePending(id)
    await store.propose(id, staged, credentialWith('next'))
    expect(await store.describe(id)).toMatchObject({ current: undefined, pending: staged })
    expect(await store.read(id, { stage: 'current' })).toBeUndefined()
    await expect(store.promote(id, staged, randomUUID())).rejects.toThrow(Superseded)
    await store.discard(id, staged)
    expect(await store.describe(id)).toMatchObject({ current: undefined, pending: undefined })
    await store.propose(id, staged, credentialWith('other'))
    expect(await store.describe(id)).toMatchObject({ current: undefined, pending: staged })
  })

  test('has its first value as current at once', async () => {
    const { id } = await secret({})
    const next = randomUUID()
    await store.propose(id, next, credentialWith('next'))
    expect(await store.describe(id)).toMatchObject({ current: next, pending: undefined })
  })
})

describe('a value that cannot be used throws InvalidCredential', () => {
  test('as SecretBinary', async () => {
    const { id } = await secret({ SecretBinary: Buffer.from(credentialWith('first').serialize()) })
    const error = await rejectionOf(store.read(id, { stage: 'current' }))
    expect(error).toBeInstanceOf(InvalidCredential)
    expect(error).toMatchObject({ field: 'value' })
    expect(error.message).toMatch(/^value: .*SecretBinary.*SecretString/)
  })

  test('as text that is no JSON, without quoting it', async () => {
    const { id } = await secret({ SecretString: 'password=Garbage-1' })
    const error = await rejectionOf(store.read(id, { stage: 'current' }))
    expect(error).toBeInstanceOf(InvalidCredential)
    expect(error).toMatchObject({ field: 'value' })
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Garbage')
  })

  test('as JSON without a necessary field', async () => {
    const { id } = await secret({ SecretString: '{"engine":"postgres","username":"app","password":"p"}' })
    expect(await rejectionOf(store.read(id, { stage: 'current' }))).toMatchObject({ field: 'host' })
  })

  test('and is not made pending, if it was kept and cannot be parsed', async () => {
    const { id } = await usual()
    const kept = randomUUID()
    await client.send(
      new PutSecretValueCommand({
        SecretId: id,
        ClientRequestToken: kept,
        SecretString: 'x',
        VersionStages: ['MINE'],
      }),
    )
    await expect(store.propose(id, kept, credentialWith('next'))).rejects.toThrow(InvalidCredential)
    expect(await store.describe(id)).toMatchObject({ pending: undefined })
  })
})

describe('a deleted secret', () => {
  test('that is marked for deletion throws InvalidCredential, which says so', async () => {
    const { id, first } = await usual()
    await client.send(new DeleteSecretCommand({ SecretId: id }))
    const error = await rejectionOf(store.describe(id))
    expect(error).toBeInstanceOf(InvalidCredential)
    expect(error).toMatchObject({ field: 'id', message: expect.stringContaining('scheduled for deletion') })
    await expect(store.promote(id, randomUUID(), first)).rejects.toThrow(InvalidCredential)
    await expect(store.discard(id, first)).rejects.toThrow(InvalidCredential)
    await expect(store.propose(id, randomUUID(), credentialWith('next'))).rejects.toThrow(StoreFailed)
  })

  test('that is deleted for good is like one that never existed', async () => {
    const { id, first } = await usual()
    await client.send(new DeleteSecretCommand({ SecretId: id, ForceDeleteWithoutRecovery: true }))
    await expect(store.describe(id)).rejects.toThrow(InvalidCredential)
    await expect(store.promote(id, randomUUID(), first)).rejects.toThrow(InvalidCredential)
    await expect(store.discard(id, first)).rejects.toThrow(InvalidCredential)
    await expect(store.listTokens(id)).rejects.toThrow(InvalidCredential)
  })
})

describe('what AWS refuses', () => {
  const denial =
    'User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: secretsmanager:X'

  test.each(names)('%s throws NotPermitted after AccessDenied, and says who may not do what', async name => {
    const { id, first } = await usual()
    server.refuse(() => ({ name: 'AccessDeniedException', message: denial }))
    const error = await rejectionOf(methods[name](id, first))
    expect(error).toBeInstanceOf(NotPermitted)
    expect(error.message).toBe(`Secrets Manager: ${denial}`)
  })

  test('promote and discard throw NotPermitted for a refused move, even where DescribeSecret is allowed', async () => {
    const { id, first } = await usual()
    const next = randomUUID()
    await store.propose(id, next, credentialWith('next'))
    server.refuse(({ action }) =>
      action === 'UpdateSecretVersionStage' ? { name: 'AccessDeniedException', message: denial } : undefined,
    )
    await expect(store.promote(id, next, first)).rejects.toThrow(NotPermitted)
    await expect(store.discard(id, next)).rejects.toThrow(NotPermitted)
  })

  const passing = [
    { name: 'ThrottlingException', status: 400 },
    { name: 'TooManyRequestsException', status: 429 },
    { name: 'InternalServiceError', status: 500 },
    { name: 'ServiceUnavailableException', status: 503 },
  ]
  for (const refusal of passing)
    test.each(names)(`%s throws Throttled after ${refusal.name}`, async name => {
      const { id, first } = await usual()
      server.refuse(() => refusal)
      const error = await rejectionOf(methods[name](id, first))
      expect(error).toBeInstanceOf(Throttled)
      expect(error.message).toContain(refusal.name)
    })

  test.each(names)(
    '%s throws StoreFailed after any other error, by its name, without its text',
    async name => {
      const { id, first } = await usual()
      server.refuse(() => ({ name: 'DecryptionFailure', message: 'the key of Quoted-1' }))
      const error = await rejectionOf(methods[name](id, first))
      expect(error).toBeInstanceOf(StoreFailed)
      expect(error.message).toContain('DecryptionFailure')
      expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Quoted')
    },
  )

  test.each(names)('%s throws Throttled without a connection', async name => {
    const closed = createServer()
    const endpoint = await listen(closed)
    closed.close()
    await once(closed, 'close')
    await expect(withClient(clientFor(endpoint), () => methods[name]('any', randomUUID()))).rejects.toThrow(
      Throttled,
    )
  })

  test.each(names)('%s throws Throttled without an answer in time', async name => {
    const silent = createServer(() => {})
    const requestHandler = { requestTimeout: 50, throwOnRequestTimeout: true }
    const hasty = clientFor(await listen(silent), { requestHandler })
    await expect(withClient(hasty, () => methods[name]('any', randomUUID()))).rejects.toThrow(Throttled)
    silent.closeAllConnections()
    silent.close()
  })
})

describe('after a lost answer', () => {
  /** Moves the label, and answers with an error. */
  async function lost(
    id: string,
    change: { MoveToVersionId?: string; RemoveFromVersionId?: string },
    label: string,
  ) {
    const raw = clientFor(server.url)
    await raw.send(new UpdateSecretVersionStageCommand({ SecretId: id, VersionStage: label, ...change }))
    server.refuse(({ action }) =>
      action === 'UpdateSecretVersionStage' ? { name: 'InternalServiceError', status: 500 } : undefined,
    )
  }

  test('a promotion that took effect succeeds', async () => {
    const { id, first } = await usual()
    const next = randomUUID()
    await store.propose(id, next, credentialWith('next'))
    await lost(id, { MoveToVersionId: next, RemoveFromVersionId: first }, 'AWSCURRENT')
    await store.promote(id, next, first)
    expect(await store.describe(id)).toMatchObject({ current: next, previous: first })
  })

  test('a discard that took effect succeeds', async () => {
    const { id } = await usual()
    const next = randomUUID()
    await store.propose(id, next, credentialWith('next'))
    await lost(id, { RemoveFromVersionId: next }, 'AWSPENDING')
    await store.discard(id, next)
    expect(await store.describe(id)).toMatchObject({ pending: undefined })
  })
})

test('no error shows a value, wherever one looks', async () => {
  const mark = 'Hidden-7f3a'
  const text = (change: object = {}) =>
    JSON.stringify({
      engine: 'postgres',
      host: 'h',
      username: 'app',
      password: mark,
      apiKey: mark,
      ...change,
    })
  const errors: Error[] = []
  for (const value of [
    text().slice(0, -1),
    text({ port: mark }),
    text({ engine: mark }),
    text({ ssl: mark }),
    text({ masterarn: mark }),
    text({ host: '' }),
    text({ dbname: `\0${mark}` }),
    text({ password: [mark] }),
    JSON.stringify([mark]),
  ]) {
    const { id } = await secret({ SecretString: value })
    errors.push(await rejectionOf(store.read(id, { stage: 'current' })))
  }
  const { id, first } = await secret({ SecretString: text() })
  const kept = randomUUID()
  await store.propose(id, kept, credentialWith(mark))
  errors.push(await rejectionOf(store.propose(id, kept, credentialWith(mark, { username: mark }))))
  await store.discard(id, kept)
  server.stagePending(id)
  errors.push(await rejectionOf(store.propose(id, kept, credentialWith(`other ${mark}`))))
  errors.push(await rejectionOf(store.promote(id, kept, randomUUID())))
  for (const refusal of ['AccessDeniedException', 'ThrottlingException', 'InvalidRequestException']) {
    server.refuse(() => ({ name: refusal }))
    errors.push(await rejectionOf(store.propose(id, randomUUID(), credentialWith(mark))))
    errors.push(await rejectionOf(store.promote(id, randomUUID(), first)))
  }
  expect(errors).toHaveLength(18)
  for (const error of errors) {
    expect(error.message).not.toContain(mark)
    expect(error.stack).not.toContain(mark)
    expect(inspect(error, { depth: null, showHidden: true, getters: true })).not.toContain(mark)
    expect(inspect(error.cause, { depth: null, showHidden: true })).not.toContain(mark)
    expect(JSON.stringify(error)).not.toContain(mark)
  }
})

test('an answer that breaks off in the middle of a value does not show it', async () => {
  const broken = createServer((_, outgoing) => {
    outgoing.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' })
    const whole = JSON.stringify({ SecretString: credentialWith('Hidden-7f3a').serialize() })
    outgoing.end(whole.slice(0, -3))
  })
  const unlucky = new SecretsManager(clientFor(await listen(broken)))
  try {
    const error = await rejectionOf(unlucky.read('any', { stage: 'current' }))
    expect(inspect(error, { depth: null, showHidden: true, getters: true })).not.toContain('Hidden-7f3a')
  } finally {
    broken.close()
    broken.closeAllConnections()
  }
})

test('tokens are read to the last page, with the newest first', async () => {
  const { id, first } = await usual()
  const tokens = Array.from({ length: 104 }, () => randomUUID())
  for (const token of tokens) await store.propose(id, token, credentialWith(token))
  expect(await store.listTokens(id)).toEqual([...tokens.reverse(), first])
})

test('a secret that does not exist throws InvalidCredential with the id, also when a value is proposed', async () => {
  const error = await rejectionOf(store.propose('nowhere', randomUUID(), credentialWith('x')))
  expect(error).toMatchObject({ name: 'InvalidCredential', field: 'id' })
})
