import { randomUUID } from 'node:crypto'
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  type DescribeSecretResponse,
  GetResourcePolicyCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  PutResourcePolicyCommand,
  PutSecretValueCommand,
  RemoveRegionsFromReplicationCommand,
  ReplicateSecretToRegionsCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  type SecretsManagerClientConfig,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type SecretsManagerServer, startSecretsManager } from '../../../local/aws/secretsManager.ts'
import { rejectionOf } from '../../support/observe.ts'

const [home, peer, third] = ['eu-west-1', 'eu-central-1', 'us-east-1']
const minute = 60_000
const token = (letter: string) => letter.repeat(32)

let server: SecretsManagerServer
let at: Record<string, SecretsManagerClient>
let now = Date.UTC(2026, 0, 1)

function clientFor(region: string, more: SecretsManagerClientConfig = {}): SecretsManagerClient {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  return new SecretsManagerClient({ endpoint: server.url, region, credentials, maxAttempts: 1, ...more })
}

beforeAll(async () => {
  server = await startSecretsManager({ clock: () => now })
  at = Object.fromEntries([home, peer, third].map(region => [region, clientFor(region)]))
})
afterEach(() => {
  for (const region of [home, peer, third]) server.setRegionBehaviour(region, {})
})
afterAll(() => server.stop())

const client = (region: string) => at[region] as SecretsManagerClient
const describeIn = (region: string, SecretId: string) =>
  client(region).send(new DescribeSecretCommand({ SecretId }))
const put = (SecretId: string, letter: string, VersionStages?: string[]) =>
  client(home).send(
    new PutSecretValueCommand({
      ...{ SecretId, ClientRequestToken: token(letter), SecretString: letter, VersionStages },
    }),
  )
const promote = (SecretId: string, to: string, from: string) =>
  client(home).send(
    new UpdateSecretVersionStageCommand({
      ...{
        SecretId,
        VersionStage: 'AWSCURRENT',
        MoveToVersionId: token(to),
        RemoveFromVersionId: token(from),
      },
    }),
  )
const replicate = (SecretId: string, regions = [peer], ForceOverwriteReplicaSecret = false) => {
  const AddReplicaRegions = regions.map(Region => ({ Region }))
  return client(home).send(
    new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions, ForceOverwriteReplicaSecret }),
  )
}
const remove = (SecretId: string, ...RemoveReplicaRegions: string[]) =>
  client(home).send(new RemoveRegionsFromReplicationCommand({ SecretId, RemoveReplicaRegions }))
const stop = (SecretId: string) => client(peer).send(new StopReplicationToReplicaCommand({ SecretId }))

/** @returns the labels of each version by its letter, or undefined if there is no such secret */
async function labels(region: string, id: string) {
  try {
    const { VersionIdsToStages = {} } = await describeIn(region, id)
    return Object.fromEntries(
      Object.entries(VersionIdsToStages).map(([version, found]) => [version.slice(0, 1), found.toSorted()]),
    )
  } catch (error) {
    if ((error as Error).name === 'ResourceNotFoundException') return undefined
    throw error
  }
}
async function status(id: string, region = peer) {
  const { ReplicationStatus = [] } = await describeIn(home, id)
  const found = ReplicationStatus.find(({ Region }) => Region === region)
  return found && [found.Status, ...(found.StatusMessage ? [found.StatusMessage] : [])]
}
const inSync = ['InSync', 'Replication succeeded']

/** Makes a secret whose first version, `a`, is current. */
async function secret() {
  const id = `replicas/${randomUUID()}`
  const command = { Name: id, ClientRequestToken: token('a'), SecretString: 'a' }
  await client(home).send(new CreateSecretCommand(command))
  return id
}
async function replicated() {
  const id = await secret()
  await replicate(id)
  return id
}

describe('Regions', () => {
  test('are apart: the same name is another secret', async () => {
    const id = await secret()
    await expect(describeIn(peer, id)).rejects.toThrow("can't find")
    const { ARN } = await client(peer).send(new CreateSecretCommand({ Name: id, SecretString: 'other' }))
    expect(ARN).toMatch(new RegExp(`^arn:aws:secretsmanager:${peer}:123456789012:secret:${id}-`))
    const { SecretString } = await client(home).send(new GetSecretValueCommand({ SecretId: id }))
    expect(SecretString).toBe('a')
  })

  test('are in the record of calls, except the default Region', async () => {
    const id = await secret()
    await rejectionOf(describeIn(peer, id))
    await describeIn(home, id)
    const [first, last] = server.calls.slice(-2)
    const call = { action: 'DescribeSecret', secret: id }
    expect(first).toMatchObject({ ...call, region: peer, error: 'ResourceNotFoundException' })
    expect(last).toMatchObject(call)
    for (const absent of ['region', 'error']) expect(last).not.toHaveProperty(absent)
  })

  test('may close the connection, keep silent, or deny', async () => {
    const id = await replicated()
    server.setRegionBehaviour(peer, { endpoint: 'closed' })
    expect((await rejectionOf(describeIn(peer, id))).message).toMatch(/socket hang up|ECONNRESET/)
    const call = { action: 'DescribeSecret', region: peer, secret: id }
    expect(server.calls.at(-1)).toMatchObject({ ...call, error: 'ECONNRESET' })
    server.setRegionBehaviour(peer, { endpoint: 'denied' })
    const error = await rejectionOf(describeIn(peer, id))
    expect(error).toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringMatching(
        new RegExp(`^User: arn:.* is not authorized to perform: secretsmanager:DescribeSecret on .*${id}`),
      ),
    })
    server.setRegionBehaviour(peer, { endpoint: 'held' })
    let answered = false
    const held = describeIn(peer, id).then(described => {
      answered = true
      return described
    })
    const impatient = clientFor(peer, { requestHandler: { requestTimeout: 50, throwOnRequestTimeout: true } })
    const late = await rejectionOf(impatient.send(new DescribeSecretCommand({ SecretId: id })))
    expect(late.name).toBe('TimeoutError')
    expect(await status(id)).toEqual(inSync)
    expect(answered).toBe(false)
    server.setRegionBehaviour(peer, {})
    expect(await held).toMatchObject({ PrimaryRegion: home })
  })
})

describe('a replica', () => {
  test('has the ARN with its own Region, and DescribeSecret’s members about both', async () => {
    const id = await secret()
    const RotationLambdaARN = `arn:aws:lambda:${home}:123456789012:function:rotate`
    await client(home).send(
      new RotateSecretCommand({ SecretId: id, RotationLambdaARN, RotateImmediately: false }),
    )
    await replicate(id)
    const [primary, replica] = [await describeIn(home, id), await describeIn(peer, id)]
    expect(primary).toMatchObject({ RotationEnabled: true, RotationLambdaARN })
    expect(primary.ReplicationStatus).toEqual([
      {
        ...{ Region: peer, KmsKeyId: 'alias/aws/secretsmanager' },
        ...{ Status: 'InSync', StatusMessage: 'Replication succeeded' },
      },
    ])
    expect(replica).toMatchObject({ ARN: primary.ARN?.replace(home, peer), Name: id, PrimaryRegion: home })
    const none: (keyof DescribeSecretResponse)[] = [
      'ReplicationStatus',
      'RotationEnabled',
      'RotationLambdaARN',
    ]
    for (const member of none) expect(replica).not.toHaveProperty(member)
    expect(primary).not.toHaveProperty('PrimaryRegion')
  })

  test('gets values, labels, tags, policy and description of its primary', async () => {
    const id = await replicated()
    await put(id, 'b', ['AWSPENDING'])
    await promote(id, 'b', 'a')
    const Tags = [{ Key: 'team', Value: 'payments' }]
    await client(home).send(new TagResourceCommand({ SecretId: id, Tags }))
    await client(home).send(new PutResourcePolicyCommand({ SecretId: id, ResourcePolicy: '{}' }))
    await client(home).send(new UpdateSecretCommand({ SecretId: id, Description: 'mine' }))
    const replica = await describeIn(peer, id)
    expect(replica).toMatchObject({ Tags, Description: 'mine' })
    expect(await labels(peer, id)).toEqual({ a: ['AWSPREVIOUS'], b: ['AWSCURRENT', 'AWSPENDING'] })
    const value = await client(peer).send(new GetSecretValueCommand({ SecretId: replica.ARN }))
    expect(value).toMatchObject({ SecretString: 'b', VersionId: token('b') })
    const policy = await client(peer).send(new GetResourcePolicyCommand({ SecretId: id }))
    expect(policy.ResourcePolicy).toBe('{}')
  })

  test('has a key of its own, which alone can be changed there', async () => {
    const id = await secret()
    const AddReplicaRegions = [{ Region: peer, KmsKeyId: 'alias/there' }]
    await client(home).send(new ReplicateSecretToRegionsCommand({ SecretId: id, AddReplicaRegions }))
    expect(await describeIn(peer, id)).toMatchObject({ KmsKeyId: 'alias/there' })
    await client(peer).send(new UpdateSecretCommand({ SecretId: id, KmsKeyId: 'alias/new' }))
    const { ReplicationStatus } = await describeIn(home, id)
    expect(ReplicationStatus).toMatchObject([{ Region: peer, KmsKeyId: 'alias/new' }])
    await replicate(id)
    expect(await describeIn(peer, id)).toMatchObject({ KmsKeyId: 'alias/new' })
    const more = { SecretId: id, KmsKeyId: 'alias/other', Description: 'mine' }
    await expect(client(peer).send(new UpdateSecretCommand(more))).rejects.toThrow('replica secret')
    expect(await describeIn(peer, id)).toMatchObject({ KmsKeyId: 'alias/new' })
  })

  test('reports the day on which it was last read to its primary', async () => {
    const id = await replicated()
    const lastRead = async () => (await describeIn(home, id)).ReplicationStatus?.[0]?.LastAccessedDate
    expect(await lastRead()).toBeUndefined()
    now += 36 * 60 * minute
    await client(peer).send(new GetSecretValueCommand({ SecretId: id }))
    expect(await lastRead()).toEqual(new Date(Math.floor(now / 86_400_000) * 86_400_000))
    expect(await describeIn(home, id)).not.toHaveProperty('LastAccessedDate')
  })

  test('is listed with its PrimaryRegion, and found by the filters', async () => {
    const id = await replicated()
    const Tags = [{ Key: 'keyturn:managed', Value: 'true' }]
    await client(home).send(new TagResourceCommand({ SecretId: id, Tags }))
    const found = async (...Filters: { Key: 'name' | 'tag-key' | 'primary-region'; Values: string[] }[]) => {
      const { SecretList = [] } = await client(peer).send(new ListSecretsCommand({ Filters }))
      return SecretList.filter(({ Name }) => Name === id).map(({ PrimaryRegion }) => PrimaryRegion)
    }
    expect(await found()).toEqual([home])
    expect(await found({ Key: 'name', Values: [id.slice(0, 20)] })).toEqual([home])
    expect(await found({ Key: 'name', Values: [id.slice(1)] })).toEqual([])
    expect(await found({ Key: 'tag-key', Values: ['keyturn:managed'] })).toEqual([home])
    expect(await found({ Key: 'tag-key', Values: ['Keyturn:managed'] })).toEqual([])
    expect(await found({ Key: 'primary-region', Values: [home] })).toEqual([home])
    expect(await found({ Key: 'primary-region', Values: [`!${home}`] })).toEqual([])
    expect(await found({ Key: 'name', Values: [id] }, { Key: 'tag-key', Values: ['none'] })).toEqual([])
  })
})

describe('a change', () => {
  test('is InProgress for as long as the Region takes, and can be read there after it', async () => {
    server.setRegionBehaviour(peer, { inProgressMs: minute })
    const id = await secret()
    expect((await replicate(id)).ReplicationStatus).toMatchObject([{ Region: peer, Status: 'InProgress' }])
    expect([await status(id), await labels(peer, id)]).toEqual([['InProgress'], undefined])
    now += minute
    expect([await status(id), await labels(peer, id)]).toEqual([inSync, { a: ['AWSCURRENT'] }])
    await put(id, 'b')
    now += minute - 1
    expect([await status(id), await labels(peer, id)]).toEqual([['InProgress'], { a: ['AWSCURRENT'] }])
    now += 1
    expect(await status(id)).toEqual(inSync)
    expect(await labels(peer, id)).toEqual({ a: ['AWSPREVIOUS'], b: ['AWSCURRENT'] })
  })

  test('may arrive late, though the Region is InSync', async () => {
    const id = await replicated()
    server.setRegionBehaviour(peer, { arrivalMs: minute })
    await put(id, 'b')
    expect([await status(id), await labels(peer, id)]).toEqual([inSync, { a: ['AWSCURRENT'] }])
    const value = await client(peer).send(new GetSecretValueCommand({ SecretId: id }))
    expect(value).toMatchObject({ SecretString: 'a' })
    now += minute
    expect(await labels(peer, id)).toEqual({ a: ['AWSPREVIOUS'], b: ['AWSCURRENT'] })
  })

  test('may be readable while the Region still says InProgress', async () => {
    const id = await replicated()
    server.setRegionBehaviour(peer, { arrivalMs: 0, inProgressMs: Number.POSITIVE_INFINITY })
    await put(id, 'b')
    expect(await labels(peer, id)).toEqual({ a: ['AWSPREVIOUS'], b: ['AWSCURRENT'] })
    now += 1000 * minute
    expect(await status(id)).toEqual(['InProgress'])
    server.setRegionBehaviour(peer, {})
    expect(await status(id)).toEqual(inSync)
  })

  test('arrives in each Region after its own delay', async () => {
    const id = await secret()
    await replicate(id, [peer, third])
    expect([await status(id, peer), await status(id, third)]).toEqual([inSync, inSync])
    server.setRegionBehaviour(third, { inProgressMs: minute })
    await put(id, 'b')
    expect([await status(id, peer), await status(id, third)]).toEqual([inSync, ['InProgress']])
    expect(await labels(peer, id)).not.toEqual(await labels(third, id))
  })

  test('of AWSPENDING may be hidden there', async () => {
    server.setRegionBehaviour(peer, { showsPending: false })
    const id = await replicated()
    await put(id, 'b', ['AWSPENDING'])
    expect(await labels(peer, id)).toEqual({ a: ['AWSCURRENT'] })
    const unseen = new GetSecretValueCommand({ SecretId: id, VersionId: token('b') })
    await expect(client(peer).send(unseen)).rejects.toThrow("can't find")
    await promote(id, 'b', 'a')
    expect(await labels(peer, id)).toEqual({ a: ['AWSPREVIOUS'], b: ['AWSCURRENT'] })
    server.setRegionBehaviour(peer, {})
    await put(id, 'c', ['AWSPENDING'])
    expect(await labels(peer, id)).toMatchObject({ c: ['AWSPENDING'] })
  })
})

describe('the status Failed', () => {
  const reasons = [
    ['key denied', 'No permissions available on the KMS key to complete the replication'],
    ['key disabled', 'The KMS key is disabled or not found'],
    ['not enabled', 'You have not enabled the Region where the replication occurs'],
    ['name exists', 'Secret with this name already exists in this region'],
  ] as const
  test.each(reasons)('%s: there is no copy if there was none before', async (fails, message) => {
    server.setRegionBehaviour(peer, { failsBecause: fails, inProgressMs: minute })
    const id = await replicated()
    expect(await status(id)).toEqual(['InProgress'])
    now += minute
    expect([await status(id), await labels(peer, id)]).toEqual([['Failed', message], undefined])
  })

  test('keeps the version that was there, until it is replicated anew', async () => {
    const id = await replicated()
    expect(await status(id)).toEqual(inSync)
    server.setRegionBehaviour(peer, { failsBecause: 'key disabled' })
    await put(id, 'b')
    expect(await status(id)).toEqual(['Failed', 'The KMS key is disabled or not found'])
    server.setRegionBehaviour(peer, {})
    await put(id, 'c')
    expect(await status(id)).toEqual(['Failed', 'The KMS key is disabled or not found'])
    expect(await labels(peer, id)).toEqual({ a: ['AWSCURRENT'] })
    await replicate(id)
    expect(await status(id)).toEqual(inSync)
    expect(await labels(peer, id)).toMatchObject({ c: ['AWSCURRENT'] })
  })

  test('is the status if a secret has the same name, which only ForceOverwriteReplicaSecret overwrites', async () => {
    const id = await secret()
    await client(peer).send(new CreateSecretCommand({ Name: id, SecretString: 'other' }))
    await replicate(id)
    expect(await status(id)).toEqual(['Failed', 'Secret with this name already exists in this region'])
    expect(await describeIn(peer, id)).not.toHaveProperty('PrimaryRegion')
    await replicate(id, [peer], true)
    expect(await status(id)).toEqual(inSync)
    expect(await describeIn(peer, id)).toMatchObject({ PrimaryRegion: home })
    expect((await describeIn(home, id)).ReplicationStatus).toHaveLength(1)
    expect(await labels(peer, id)).toEqual({ a: ['AWSCURRENT'] })
  })

  test('is removed from the list, and the blocking secret stays', async () => {
    const id = await secret()
    await client(peer).send(new CreateSecretCommand({ Name: id, SecretString: 'other' }))
    await replicate(id)
    await remove(id, peer)
    expect(await status(id)).toBeUndefined()
    const { SecretString } = await client(peer).send(new GetSecretValueCommand({ SecretId: id }))
    expect(SecretString).toBe('other')
  })
})

describe('two quick moves of labels', () => {
  test('leave the replica InProgress until it is removed and added again', async () => {
    const id = await replicated()
    server.setRegionBehaviour(peer, { wedgesWithinMs: minute })
    await put(id, 'b', ['AWSPENDING'])
    now += minute - 1
    await promote(id, 'b', 'a')
    now += 1000 * minute
    expect(await status(id)).toEqual(['InProgress'])
    expect(await labels(peer, id)).toEqual({ a: ['AWSCURRENT'], b: ['AWSPENDING'] })
    await replicate(id)
    expect(await status(id)).toEqual(['InProgress'])
    await remove(id, peer)
    expect(await labels(peer, id)).toBeUndefined()
    await replicate(id)
    expect(await status(id)).toEqual(inSync)
    expect(await labels(peer, id)).toMatchObject({ b: ['AWSCURRENT', 'AWSPENDING'] })
  })

  test('leave it so even after the Region behaves as usual again', async () => {
    const id = await replicated()
    server.setRegionBehaviour(peer, { wedgesWithinMs: minute })
    await put(id, 'b')
    await put(id, 'c')
    expect(await status(id)).toEqual(['InProgress'])
    server.setRegionBehaviour(peer, {})
    expect(await status(id)).toEqual(inSync)
    expect(await labels(peer, id)).toMatchObject({ c: ['AWSCURRENT'] })
  })

  test('are different from two slow ones, and from a move and a tag', async () => {
    const id = await replicated()
    server.setRegionBehaviour(peer, { wedgesWithinMs: minute })
    await put(id, 'b', ['AWSPENDING'])
    await client(home).send(new TagResourceCommand({ SecretId: id, Tags: [{ Key: 'team', Value: 'x' }] }))
    now += minute
    await promote(id, 'b', 'a')
    expect(await status(id)).toEqual(inSync)
    expect(await labels(peer, id)).toMatchObject({ b: ['AWSCURRENT', 'AWSPENDING'] })
  })
})

describe('a promoted replica', () => {
  test('is a secret of its own, and blocks replication from its primary', async () => {
    const id = await replicated()
    const { ARN } = await stop(id)
    expect(ARN).toBe((await describeIn(home, id)).ARN?.replace(home, peer))
    expect(await status(id)).toBeUndefined()
    expect(await describeIn(peer, id)).not.toHaveProperty('PrimaryRegion')
    await put(id, 'b')
    expect(await labels(peer, id)).toEqual({ a: ['AWSCURRENT'] })
    const own = { SecretId: id, ClientRequestToken: token('c'), SecretString: 'c' }
    await client(peer).send(new PutSecretValueCommand(own))
    await replicate(id)
    expect(await status(id)).toEqual(['Failed', 'Secret with this name already exists in this region'])
    await remove(id, peer)
    expect(await labels(peer, id)).toMatchObject({ c: ['AWSCURRENT'] })
    await expect(stop(id)).rejects.toThrow('not a replica')
  })

  test('may stay in the list of its primary, as Failed', async () => {
    const id = await replicated()
    server.setRegionBehaviour(peer, { promotedStaysListed: true })
    await stop(id)
    await put(id, 'b')
    expect(await status(id)).toEqual(['Failed', 'Secret with this name already exists in this region'])
    await remove(id, peer)
    expect(await labels(peer, id)).toEqual({ a: ['AWSCURRENT'] })
  })

  test('replicates back over its old primary, once that has no replicas left', async () => {
    const id = await secret()
    await replicate(id, [peer, third])
    await stop(id)
    const { ARN } = await describeIn(home, id)
    const command = new ReplicateSecretToRegionsCommand({
      ...{ SecretId: id, AddReplicaRegions: [{ Region: home }], ForceOverwriteReplicaSecret: true },
    })
    const outcome = async () => {
      await client(peer).send(command)
      return (await describeIn(peer, id)).ReplicationStatus?.map(({ Status }) => Status)
    }
    expect(await outcome()).toEqual(['Failed'])
    await remove(id, third)
    expect(await outcome()).toEqual(['InSync'])
    expect(await describeIn(home, id)).toMatchObject({ ARN, PrimaryRegion: peer })
    await expect(put(id, 'b')).rejects.toThrow("in primary secret's region")
  })
})
