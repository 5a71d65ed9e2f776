import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SecretsManagerServer, startSecretsManager } from '../../../local/aws/secretsManager.ts'
import { pythonBin } from '../../../local/stack/python.ts'
import { ServiceModel } from '../../support/serviceModel.ts'

type Answer = { action: string; request: object; status: number; body: Record<string, unknown> }

const [home, peer, third] = ['eu-west-1', 'eu-central-1', 'us-east-1']
const token = (letter: string) => letter.repeat(32)
const bin = await pythonBin()

/** This error is not in the model, as IAM returns it for every operation. */
const ofEveryOperation = ['AccessDeniedException']

describe.skipIf(!bin)("the double's answers, held to AWS's model of the service", () => {
  let model: ServiceModel
  let server: SecretsManagerServer
  let now = Date.UTC(2026, 0, 1)
  const answers: Answer[] = []

  /** Makes a call without the SDK, which would drop unknown members. */
  async function call(region: string, action: string, request: object): Promise<Answer['body']> {
    const headers = {
      'x-amz-target': `secretsmanager.${action}`,
      authorization: `AWS4-HMAC-SHA256 Credential=local/20260101/${region}/secretsmanager/aws4_request`,
    }
    const answer = await fetch(server.url, { method: 'POST', headers, body: JSON.stringify(request) })
    const body = (await answer.json()) as Answer['body']
    answers.push({ action, request, status: answer.status, body })
    return body
  }

  beforeAll(async () => {
    model = await ServiceModel.load(bin ?? '', 'secretsmanager')
    server = await startSecretsManager({ clock: () => now })
    await ordinary()
    await replicated()
    await troubled()
  })
  afterAll(() => server?.stop())

  async function ordinary() {
    const SecretId = 'ordinary'
    const put = { SecretId, ClientRequestToken: token('b'), SecretString: 'two' }
    await call(home, 'CreateSecret', { Name: SecretId, ClientRequestToken: token('a') })
    await call(home, 'CreateSecret', { Name: SecretId, SecretString: 'one' })
    await call(home, 'GetSecretValue', { SecretId })
    await call(home, 'GetRandomPassword', { PasswordLength: 40, IncludeSpace: true })
    await call(home, 'GetRandomPassword', { PasswordLength: 3 })
    await call(home, 'PutSecretValue', put)
    await call(home, 'PutSecretValue', { ...put, SecretString: 'else' })
    const pending = { ClientRequestToken: token('c'), VersionStages: ['AWSPENDING'] }
    await call(home, 'PutSecretValue', { SecretId, SecretBinary: 'AAAA', ...pending })
    await call(home, 'GetSecretValue', { SecretId })
    await call(home, 'GetSecretValue', { SecretId, VersionStage: 'AWSPENDING' })
    await call(home, 'GetSecretValue', { SecretId, VersionId: token('b'), VersionStage: 'AWSPENDING' })
    await call(home, 'UpdateSecretVersionStage', { SecretId, VersionStage: 'AWSCURRENT' })
    await call(home, 'UpdateSecretVersionStage', {
      ...{ SecretId, VersionStage: 'blue', MoveToVersionId: token('b') },
    })
    await call(home, 'ListSecretVersionIds', { SecretId, IncludeDeprecated: true, MaxResults: 1 })
    await call(home, 'UpdateSecret', { SecretId, Description: 'mine', KmsKeyId: 'alias/mine' })
    await call(home, 'TagResource', { SecretId, Tags: [{ Key: 'team', Value: 'payments' }] })
    await call(home, 'UntagResource', { SecretId, TagKeys: ['team'] })
    await call(home, 'PutResourcePolicy', { SecretId, ResourcePolicy: '{}' })
    await call(home, 'GetResourcePolicy', { SecretId })
    await call(home, 'DeleteResourcePolicy', { SecretId })
    await call(home, 'RotateSecret', { SecretId })
    const RotationRules = { ScheduleExpression: 'rate(10 days)' }
    const RotationLambdaARN = 'arn:aws:lambda:eu-west-1:123456789012:function:rotate'
    await call(home, 'RotateSecret', { SecretId, RotationLambdaARN })
    await call(home, 'UpdateSecretVersionStage', {
      ...{ SecretId, VersionStage: 'AWSPENDING', RemoveFromVersionId: token('c') },
    })
    await call(home, 'RotateSecret', { SecretId, RotationLambdaARN, RotationRules })
    await call(home, 'CancelRotateSecret', { SecretId })
    await call(home, 'DescribeSecret', { SecretId })
    await call(home, 'ListSecrets', { Filters: [{ Key: 'name', Values: ['ord'] }] })
    await call(home, 'DeleteSecret', { SecretId })
    await call(home, 'DescribeSecret', { SecretId })
    await call(home, 'GetSecretValue', { SecretId })
    await call(home, 'RestoreSecret', { SecretId })
    await call(home, 'DeleteSecret', { SecretId, ForceDeleteWithoutRecovery: true })
    await call(home, 'DescribeSecret', { SecretId })
  }

  async function replicated() {
    const SecretId = 'replicated'
    const AddReplicaRegions = [{ Region: peer, KmsKeyId: 'alias/there' }]
    server.setRegionBehaviour(peer, { inProgressMs: 1000 })
    await call(home, 'CreateSecret', { Name: SecretId, SecretString: 'one', AddReplicaRegions })
    await call(home, 'DescribeSecret', { SecretId })
    now += 1000
    await call(home, 'ReplicateSecretToRegions', { SecretId, AddReplicaRegions: [{ Region: home }] })
    await call(home, 'ReplicateSecretToRegions', { SecretId, AddReplicaRegions: [{ Region: third }] })
    await call(peer, 'GetSecretValue', { SecretId })
    await call(home, 'DescribeSecret', { SecretId })
    await call(peer, 'DescribeSecret', { SecretId })
    await call(peer, 'ListSecrets', { Filters: [{ Key: 'primary-region', Values: [home] }] })
    await call(peer, 'GetResourcePolicy', { SecretId })
    await call(peer, 'ListSecretVersionIds', { SecretId })
    await writeOn(peer, SecretId)
    await call(peer, 'UpdateSecret', { SecretId, KmsKeyId: 'alias/other' })
    await call(home, 'DeleteSecret', { SecretId })
    await call(home, 'RemoveRegionsFromReplication', { SecretId, RemoveReplicaRegions: [third] })
    await call(home, 'RemoveRegionsFromReplication', { SecretId, RemoveReplicaRegions: [third] })
    await call(peer, 'StopReplicationToReplica', { SecretId })
    await call(peer, 'StopReplicationToReplica', { SecretId })
    await call(home, 'ReplicateSecretToRegions', { SecretId, AddReplicaRegions })
    now += 1000
    await call(home, 'DescribeSecret', { SecretId })
    await call(home, 'ReplicateSecretToRegions', {
      ...{ SecretId, AddReplicaRegions, ForceOverwriteReplicaSecret: true },
    })
  }

  async function troubled() {
    const SecretId = 'troubled'
    server.setRegionBehaviour(peer, { wedgesWithinMs: 1000, inProgressMs: 500 })
    server.setRegionBehaviour(third, { failsBecause: 'key denied', arrivalMs: 5000, showsPending: false })
    const AddReplicaRegions = [{ Region: peer }, { Region: third }]
    await call(home, 'CreateSecret', { Name: SecretId, SecretString: 'one', AddReplicaRegions })
    for (const SecretString of ['two', 'three'])
      await call(home, 'PutSecretValue', { SecretId, SecretString })
    now += 5000
    await call(home, 'DescribeSecret', { SecretId })
    server.setRegionBehaviour(third, { endpoint: 'denied' })
    await call(third, 'DescribeSecret', { SecretId })
    server.setRegionBehaviour(third, {})
  }

  async function writeOn(region: string, SecretId: string) {
    const stage = { VersionStage: 'blue', MoveToVersionId: token('a') }
    await call(region, 'PutSecretValue', { SecretId, SecretString: 'two' })
    await call(region, 'UpdateSecretVersionStage', { SecretId, ...stage })
    await call(region, 'UpdateSecret', { SecretId, Description: 'mine' })
    await call(region, 'TagResource', { SecretId, Tags: [] })
    await call(region, 'UntagResource', { SecretId, TagKeys: [] })
    await call(region, 'PutResourcePolicy', { SecretId, ResourcePolicy: '{}' })
    await call(region, 'DeleteResourcePolicy', { SecretId })
    await call(region, 'RotateSecret', { SecretId })
    await call(region, 'CancelRotateSecret', { SecretId })
    await call(region, 'DeleteSecret', { SecretId })
    await call(region, 'ReplicateSecretToRegions', { SecretId, AddReplicaRegions: [{ Region: third }] })
    await call(region, 'RemoveRegionsFromReplication', { SecretId, RemoveReplicaRegions: [third] })
  }

  test('the requests match the model', () => {
    expect(answers.flatMap(({ action, request }) => model.problemsInRequest(action, request))).toEqual([])
  })

  test('names, types, required members and errors are those of the model', () => {
    const own = answers.filter(({ body }) => !ofEveryOperation.includes(`${body.__type}`))
    expect(own.length).toBeGreaterThan(60)
    expect(own.flatMap(({ action, status, body }) => model.problemsInAnswer(action, status, body))).toEqual(
      [],
    )
  })

  test('every operation that the double knows was among them, and each outcome of a replication', () => {
    const told = answers.flatMap(({ body }) => (body.ReplicationStatus ?? []) as { Status: string }[])
    expect(new Set(told.map(({ Status }) => Status))).toEqual(new Set(['InProgress', 'InSync', 'Failed']))
    const succeeded = answers.filter(({ status }) => status === 200).map(({ action }) => action)
    expect([...new Set(succeeded)].toSorted()).toEqual([
      ...['CancelRotateSecret', 'CreateSecret', 'DeleteResourcePolicy', 'DeleteSecret', 'DescribeSecret'],
      ...[
        'GetRandomPassword',
        'GetResourcePolicy',
        'GetSecretValue',
        'ListSecretVersionIds',
        'ListSecrets',
        'PutResourcePolicy',
      ],
      ...['PutSecretValue', 'RemoveRegionsFromReplication', 'ReplicateSecretToRegions', 'RestoreSecret'],
      ...['RotateSecret', 'StopReplicationToReplica', 'TagResource', 'UntagResource', 'UpdateSecret'],
      'UpdateSecretVersionStage',
    ])
  })

  test('a deviation from the model is found', () => {
    const seen = (body: Answer['body'], status = 200) =>
      model.problemsInAnswer('DescribeSecret', status, body)
    expect(seen({ Name: 'a', Primary: home })).toEqual(['DescribeSecret.Primary is unknown'])
    expect(seen({ CreatedDate: 'today' })).toEqual(['DescribeSecret.CreatedDate is no number'])
    expect(seen({ ReplicationStatus: [{ Status: 'Late' }] })).toEqual([
      'DescribeSecret.ReplicationStatus[0].Status is none of InSync,Failed,InProgress',
    ])
    expect(seen({ __type: 'InvalidRequestException' }, 400)).toEqual([
      'DescribeSecret does not declare InvalidRequestException',
    ])
    expect(model.problemsInRequest('DescribeSecret', {})).toEqual(['DescribeSecret.SecretId is missing'])
  })
})
