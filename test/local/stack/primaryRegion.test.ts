import {
  CreateSecretCommand,
  DescribeSecretCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MiniStack, startMiniStack } from '../../../local/stack/ministack.ts'
import { pythonBin } from '../../../local/stack/python.ts'

const [home, peer] = ['eu-west-1', 'eu-central-1']
const bin = await pythonBin()

describe.skipIf(!bin)(
  'on MiniStack with this project’s changes, a policy may have a condition on the primary Region',
  () => {
    let stack: MiniStack
    const as = (accessKeyId: string, secretAccessKey: string, region: string) =>
      new SecretsManagerClient({
        ...{ endpoint: stack.url, region, maxAttempts: 1 },
        credentials: { accessKeyId, secretAccessKey },
      })

    /** Makes a call of IAM, without a client of the SDK. */
    async function iam(Action: string, parameters: Record<string, string>): Promise<string> {
      const authorization = `AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0`
      const body = new URLSearchParams({ Action, Version: '2010-05-08', ...parameters })
      const answer = await fetch(stack.url, { method: 'POST', headers: { authorization }, body })
      return answer.text()
    }

    beforeAll(async () => {
      stack = await startMiniStack(bin ?? '')
    })
    afterAll(() => stack?.stop())

    test('the policy allows describing only replicas of its own Region', async () => {
      const condition = { StringEqualsIfExists: { 'secretsmanager:SecretPrimaryRegion': home } }
      const statement = { Effect: 'Allow', Action: 'secretsmanager:DescribeSecret', Resource: '*' }
      const policy = { Version: '2012-10-17', Statement: [{ ...statement, Condition: condition }] }
      await iam('CreateUser', { UserName: 'looker' })
      await iam('PutUserPolicy', {
        ...{ UserName: 'looker', PolicyName: 'look', PolicyDocument: JSON.stringify(policy) },
      })
      const keys = await iam('CreateAccessKey', { UserName: 'looker' })
      const key = (name: string) => `${new RegExp(`<${name}>(.*?)</${name}>`).exec(keys)?.[1]}`
      const all = (region: string) => as('test', 'test', region)
      const looker = as(key('AccessKeyId'), key('SecretAccessKey'), peer)
      const look = async (SecretId: string) => {
        try {
          return (await looker.send(new DescribeSecretCommand({ SecretId }))).PrimaryRegion
        } catch (error) {
          return (error as Error).name
        }
      }
      await all(home).send(new CreateSecretCommand({ Name: 'replica', SecretString: 'one' }))
      const AddReplicaRegions = [{ Region: peer }]
      await all(home).send(new ReplicateSecretToRegionsCommand({ SecretId: 'replica', AddReplicaRegions }))
      await all(peer).send(new CreateSecretCommand({ Name: 'own', SecretString: 'two' }))
      expect([await look('replica'), await look('own'), await look('none')]).toEqual([
        ...[home, 'AccessDeniedException', 'ResourceNotFoundException'],
      ])
    })
  },
)
