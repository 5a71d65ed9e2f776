import { randomUUID } from 'node:crypto'
import { CreateDBInstanceCommand } from '@aws-sdk/client-rds'
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Application } from '../../local/client/application.ts'
import type { Admin } from '../../local/client/users.ts'
import { SecretValueStore } from '../../local/client/valueStores.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { runRotation } from '../../local/embedded/stateMachine.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { instance, type RdsServer, startRds } from '../support/rds.ts'

const bin = await pythonBin()

describe.skipIf(!bin)('the functions on RDS', () => {
  let embedded: Embedded
  let rds: RdsServer
  let admin: Admin
  let instanceArn: string
  beforeAll(async () => {
    ;[embedded, rds] = await Promise.all([startEmbedded(), startRds(bin ?? '')])
    process.env.AWS_ENDPOINT_URL_RDS = rds.url
    const { host, port } = embedded.postgres
    // The database of RDS has the address of the test server.
    rds.edit = answer => answer.replace(/(?<=<Address>)[^<]+/, host)
    const { DBInstance } = await rds.client.send(
      new CreateDBInstanceCommand({
        ...{ ...instance, DBInstanceIdentifier: 'shop', Port: port },
      }),
    )
    instanceArn = `${DBInstance?.DBInstanceArn}`
    admin = await embedded.users.makeAdmin('master')
  })
  afterAll(() => Promise.all([embedded?.stop(), rds?.stop()]))

  const value = async (id: string): Promise<Record<string, string>> => {
    const { SecretString = '' } = await embedded.secrets.send(new GetSecretValueCommand({ SecretId: id }))
    return JSON.parse(SecretString)
  }

  /** Makes an admin's secret as RDS does, with a tag that names the database. */
  async function manage(tag: string, database: string): Promise<Admin> {
    const { username, password } = await value(admin.arn)
    const shelf = new SecretValueStore(embedded.secrets)
    const arn = await shelf.put(`rds!db-${randomUUID()}`, JSON.stringify({ username, password }), {
      'keyturn:admin': 'true',
      [tag]: database,
    })
    return { ...admin, arn }
  }

  const rotate = (id: string) => runRotation(embedded.tasks, randomUUID(), { store: 'secrets-manager', id })

  test('an admin whose secret RDS manages is used, and RDS is asked for its host', async () => {
    const managed = await manage('aws:rds:primaryDBInstanceArn', instanceArn)
    const id = await embedded.users.enrol('basket', { admin: managed })
    for (const username of ['basket_clone', 'basket']) {
      rds.calls = []
      const { failure } = await rotate(id)
      expect(failure).toBeUndefined()
      expect(await value(id)).toMatchObject({ username })
      // Once by setSecret and once by retireSecret.
      expect(rds.calls).toEqual(['DescribeDBInstances', 'DescribeDBInstances'])
    }
  })

  test.each([
    ['another database', 'aws:rds:primaryDBInstanceArn', (arn: string) => `${arn}-2`],
    ['none', 'other', (arn: string) => arn],
  ])(
    'an admin’s secret with a tag that names %s throws InvalidCredential, and nothing changes',
    async (name, tag, database) => {
      const managed = await manage(tag, database(instanceArn))
      const id = await embedded.users.enrol(`cart ${name}`, { admin: managed })
      const before = await value(id)
      const { failure } = await rotate(id)
      expect(failure).toMatchObject({
        error: 'InvalidCredential',
        cause: { errorMessage: expect.stringMatching(/^setSecret: masterarn: /) },
      })
      expect(await value(id)).toEqual(before)
    },
  )

  test('RDS is not asked about any other admin', async () => {
    const id = await embedded.users.enrol('usual', { admin })
    rds.calls = []
    expect((await rotate(id)).failure).toBeUndefined()
    expect(rds.calls).toEqual([])
  })

  test('a master whose test query fails in the rehearsal has no login refused, and RDS is not called', async () => {
    const id = await embedded.users.enrol('owner', {
      tags: { 'keyturn:strategy': 'master', 'keyturn:test-query': 'TABLE no_such_table' },
    })
    const application = new Application(embedded.users.valueStore, id, embedded.postgres.caFile)
    rds.calls = []
    application.start()
    const { failure, states } = await rotate(id)
    await application.stop()
    expect(failure?.error).toBe('TestFailed')
    expect(states).not.toContain('SetSecret')
    expect(application.failed).toBe(0)
    expect(application.served).toBeGreaterThan(1)
    expect(rds.calls).not.toContain('ModifyDBInstance')
  })

  test('a secret that names RDS Proxy is refused before anything is written', async () => {
    const host = 'shop.proxy-abcdefghijkl.eu-west-1.rds.amazonaws.com'
    const json = { engine: 'postgres', host, username: 'shop', password: 'x' }
    const id = await new SecretValueStore(embedded.secrets).put('proxied', JSON.stringify(json), {})
    embedded.secretsManager.calls.length = 0
    const { failure, states } = await rotate(id)
    expect(failure).toMatchObject({
      error: 'InvalidCredential',
      cause: { errorMessage: expect.stringMatching(/^createSecret: host: .*not RDS Proxy's/) },
    })
    expect(states).not.toContain('SetSecret')
    expect(embedded.secretsManager.calls.map(({ action }) => action)).not.toContain('PutSecretValue')
  })
})
