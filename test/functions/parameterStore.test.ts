import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Embedded, startEmbedded } from '../../local/embedded.ts'
import { pythonBin } from '../../local/python.ts'
import { runRotation } from '../../local/stateMachine.ts'
import { type Moto, startMoto } from '../moto.ts'

const bin = await pythonBin()

describe.skipIf(!bin)('the state machine, its functions and PostgreSQL rotate a parameter', () => {
  let embedded: Embedded
  let moto: Moto
  let ssm: SSMClient
  beforeAll(async () => {
    ;[embedded, moto] = await Promise.all([startEmbedded(), startMoto(bin ?? '')])
    process.env.AWS_ENDPOINT_URL_SSM = moto.url
    ssm = new SSMClient()
  })
  afterAll(() => Promise.all([embedded?.stop(), moto?.stop()]))

  /** A parameter with the value of a user's secret. */
  async function enrol(user: string, tags: Record<string, string>, alternating: boolean): Promise<string> {
    const admin = alternating ? await embedded.users.makeAdmin(`${user}_admin`) : undefined
    const SecretId = await embedded.users.enrol(user, { ...(admin && { admin }) })
    const { SecretString: Value } = await embedded.secrets.send(new GetSecretValueCommand({ SecretId }))
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    const Name = `/shop/${user}`
    await ssm.send(new PutParameterCommand({ Name, Value, Type: 'SecureString', Tags }))
    return Name
  }

  async function value(Name: string): Promise<{ username: string; password: string }> {
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name, WithDecryption: true }))
    return JSON.parse(Parameter?.Value ?? '')
  }

  async function logsIn({ username: user, password }: { username: string; password: string }) {
    const { host, port } = embedded.postgres
    const ssl = { ca: readFileSync(embedded.postgres.caFile, 'utf8') }
    const client = new pg.Client({ host, port, user, password, database: 'postgres', ssl })
    const connected = client.connect().then(
      () => true,
      () => false,
    )
    try {
      return await connected
    } finally {
      await client.end().catch(() => undefined)
    }
  }

  const rotate = (id: string) => {
    const announce = () => ({ FailedEntryCount: 0 })
    const events = { AnnounceSuccess: announce, AnnounceFailure: announce, AnnounceLockout: announce }
    return runRotation({ ...embedded.tasks, ...events }, randomUUID(), { store: 'parameter-store', id })
  }

  test('a single user: the new value logs in, the old one does not', async () => {
    const id = await enrol('single', {}, false)
    const before = await value(id)
    const { failure } = await rotate(id)
    expect(failure).toBeUndefined()
    const after = await value(id)
    expect(after.password).not.toBe(before.password)
    expect([await logsIn(before), await logsIn(after)]).toEqual([false, true])
  })

  test('alternating users: twice', async () => {
    const id = await enrol('turns', { 'keyturn:grace': '1s' }, true)
    for (const username of ['turns_clone', 'turns']) {
      const { failure } = await rotate(id)
      expect(failure).toBeUndefined()
      expect(await value(id)).toMatchObject({ username })
      expect(await logsIn(await value(id))).toBe(true)
    }
  })

  test('a test that fails: rolled back, and the parameter was never written', async () => {
    const id = await enrol('failing', { 'keyturn:test-query': 'TABLE app.absent' }, false)
    const before = await value(id)
    const { failure } = await rotate(id)
    expect(failure?.error).toBe('TestFailed')
    expect(await value(id)).toEqual(before)
    expect(await logsIn(before)).toBe(true)
  })
})
