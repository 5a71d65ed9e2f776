import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutResourcePolicyCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditReport } from '../../fleet/audit/report.ts'
import { RecordTable } from '../../fleet/records/recordTable.ts'
import {
  type AuditedAccount,
  type DeclaredParameter,
  type DeclaredRegion,
  type DeclaredRotation,
  type DeclaredSecret,
  startAuditedAccount,
} from '../../local/aws/audited.ts'
import type { Deployed } from '../../local/stack/deployed.ts'
import { commandEnvironment, runCommand } from '../cli/account.ts'

/** MiniStack's account. */
const account = '000000000000'
const now = new Date()
const ago = (days: number) => new Date(now.getTime() - days * 86_400_000).toISOString()

/** The prefix of the names and paths of this test. */
const prefix = `audited-${randomUUID().slice(0, 8)}`
const team = { team: 'shop' }
const managed = { ...team, 'keyturn:managed': 'true' }
const turning = { ...managed, 'keyturn:every': '30d' }

const went = (days: number, more: Partial<DeclaredRotation> = {}): DeclaredRotation => ({
  ...{ began: ago(days + 0.001), ended: ago(days), outcome: 'rotated', retirement: 'closed', ...more },
})
const failed = (days: number, more: Partial<DeclaredRotation> = {}): DeclaredRotation => ({
  ...{
    began: ago(days + 0.001),
    ended: ago(days),
    outcome: 'failed',
    error: 'Unreachable',
    step: 'SetSecret',
  },
  ...more,
})
const secret = (name: string, given: Partial<DeclaredSecret> = {}): DeclaredSecret => ({
  ...{ name: `${prefix}/${name}`, created: ago(0), changed: ago(0), tags: turning, rotations: [went(10)] },
  ...given,
})
const parameter = (name: string, given: Partial<DeclaredParameter> = {}): DeclaredParameter => ({
  ...{ name: `/${prefix}/${name}`, changed: ago(0), tags: turning, rotations: [went(10)] },
  ...given,
})
const allow = (Principal: unknown) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal, Action: 'secretsmanager:GetSecretValue', Resource: '*' }],
})

/** Twenty credentials of two Regions. An audit has findings about most of them. */
function declared(home: string, peer: string): Record<string, DeclaredRegion> {
  const admin = `arn:aws:secretsmanager:${home}:${account}:secret:${prefix}/admin`
  return {
    [home]: {
      secrets: [
        secret('well'),
        secret('by-hand', { tags: team, rotations: [] }),
        secret('old', { rotations: [went(100)] }),
        secret('failing', { rotations: [failed(2), failed(3), went(10)] }),
        secret('locked-out', { rotations: [failed(5, { outcome: 'locked-out' }), went(10)] }),
        secret('stopped', { rotations: [failed(5, { outcome: 'stopped' }), went(10)] }),
        secret('left-open', { rotations: [went(10, { retirement: 'open', openUntil: ago(3) })] }),
        secret('wrong-tag', { tags: { ...turning, 'keyturn:every': 'monthly' } }),
        secret('elsewhere', { tags: { ...turning, 'keyturn:home': peer } }),
        secret('nobodys', { tags: { 'keyturn:managed': 'true', 'keyturn:every': '30d' } }),
        secret('everybody', { policy: allow('*') }),
        secret('another-account', { policy: allow({ AWS: 'arn:aws:iam::999999999999:root' }) }),
        secret('follows', { tags: { ...turning, 'keyturn:home': home }, replicas: [{ region: peer }] }),
        secret('homeless', { replicas: [{ region: peer }] }),
        secret('admin', { tags: { ...team, 'keyturn:admin': 'true' }, rotations: [] }),
        secret('user', { rotations: [went(10, { admin })] }),
      ],
      parameters: [
        parameter('well'),
        parameter('DB_PASSWORD', { type: 'String', rotations: [], tags: team }),
        parameter('by-hand', { tags: team, rotations: [] }),
      ],
    },
    [peer]: { stack: true, secrets: [secret('there', { rotations: [failed(2), went(10)] })] },
  }
}

/** Makes the declared credentials on a local AWS, as far as it can have them. */
async function plant({ client }: Deployed, table: string, region: DeclaredRegion): Promise<void> {
  const secrets = new SecretsManagerClient(client)
  const ssm = new SSMClient(client)
  const records = new RecordTable(new DynamoDBClient(client), table)
  const note = async (
    store: 'secrets-manager' | 'parameter-store',
    arn: string,
    name: string,
    rotation: object,
  ) => {
    const execution = `arn:aws:states:${client.region}:${account}:execution:keyturn-local-rotate:${randomUUID()}`
    const record = {
      id: name,
      token: randomUUID(),
      startedBy: 'schedule',
      ...rotation,
      store,
      arn,
      name,
      execution,
    }
    await records.writeRotation(record as Parameters<RecordTable['writeRotation']>[0], 9)
  }
  const tagsOf = (tags = {}) => Object.entries(tags).map(([Key, Value]) => ({ Key, Value: `${Value}` }))
  for (const { name: Name, tags, policy, replicas = [], rotations = [] } of region.secrets ?? []) {
    const { ARN: SecretId = '' } = await secrets.send(
      new CreateSecretCommand({ Name, SecretString: '{}', Tags: tagsOf(tags) }),
    )
    const ResourcePolicy = JSON.stringify(policy)
    if (policy) await secrets.send(new PutResourcePolicyCommand({ SecretId, ResourcePolicy }))
    const AddReplicaRegions = replicas.map(({ region: Region }) => ({ Region }))
    if (replicas.length)
      await secrets.send(new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions }))
    for (const rotation of rotations) await note('secrets-manager', SecretId, Name, rotation)
  }
  for (const { name: Name, type: Type = 'SecureString', tags, rotations = [] } of region.parameters ?? []) {
    await ssm.send(new PutParameterCommand({ Name, Type, Value: 'none', Tags: tagsOf(tags) }))
    const arn = `arn:aws:ssm:${client.region}:${account}:parameter${Name}`
    for (const rotation of rotations) await note('parameter-store', arn, Name, rotation)
  }
}

/** @returns AWS credentials of a user with only the policy of the output AuditPolicyArn */
async function auditor({ url, readOutput }: Deployed): Promise<Record<string, string>> {
  const call = async (service: string, words: Record<string, string>) => {
    const headers = {
      authorization: `AWS4-HMAC-SHA256 Credential=test/20261130/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`,
    }
    const answer = await fetch(url, { method: 'POST', headers, body: new URLSearchParams(words) })
    const text = await answer.text()
    expect({ status: answer.status, text: answer.ok ? '' : text }).toEqual({ status: 200, text: '' })
    return (name: string) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(text)?.[1] ?? ''
  }
  const RoleName = `auditor-${prefix}`
  const trust = { Statement: [{ Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sts:AssumeRole' }] }
  const iam = { Version: '2010-05-08', RoleName }
  await call('iam', { ...iam, Action: 'CreateRole', AssumeRolePolicyDocument: JSON.stringify(trust) })
  await call('iam', { ...iam, Action: 'AttachRolePolicy', PolicyArn: await readOutput('AuditPolicyArn') })
  const RoleArn = `arn:aws:iam::${account}:role/${RoleName}`
  const sts = { Version: '2011-06-15', Action: 'AssumeRole', RoleArn, RoleSessionName: 'audit' }
  const told = await call('sts', sts)
  return {
    AWS_ACCESS_KEY_ID: told('AccessKeyId'),
    AWS_SECRET_ACCESS_KEY: told('SecretAccessKey'),
    AWS_SESSION_TOKEN: told('SessionToken'),
  }
}

/**
 * Makes the tests that audit twenty credentials of two deployed Regions with the policy for audits, and compare the report
 * with that of a played account.
 */
export function auditedRegions(regions: () => { here: Deployed; there: Deployed }): void {
  describe('an audit of both Regions, by the policy for audits', () => {
    let double: AuditedAccount
    /** The reports on the twenty credentials: of the deployed stacks and of the played account. */
    let deployed: AuditReport
    let doubled: AuditReport
    let credentials: Record<string, string>
    const rules = join(tmpdir(), `${prefix}.yml`)

    beforeAll(async () => {
      const { here, there } = regions()
      const twenty = declared(here.region, there.region)
      for (const stack of [here, there])
        await plant(
          stack,
          await stack.readOutput('RotationTableName'),
          twenty[stack.region] as DeclaredRegion,
        )
      double = await startAuditedAccount({
        moment: now.toISOString(),
        account,
        stage: 'local',
        regions: twenty,
      })
      await writeFile(rules, `parameter-paths: [/${prefix}/by-]\n`)
      credentials = await auditor(here)
      const audited = async (env: Record<string, string>) => {
        const words = ['audit', '--json', '--policy', rules, '--reads-budget', '1m']
        const ended = await runCommand(
          words,
          commandEnvironment(`${env.AWS_ENDPOINT_URL}`, { ...env, AWS_REGION: here.region }),
        )
        expect(ended).toMatchObject({ code: 0, stderr: expect.not.stringMatching(/keyturn: /) })
        return JSON.parse(ended.stdout) as AuditReport
      }
      deployed = await audited({ ...here.env, ...credentials })
      doubled = await audited({ AWS_ENDPOINT_URL: double.url })
    }, 120_000)
    afterAll(async () => {
      await double?.stop()
      await rm(rules, { force: true })
    })

    const told = ({ findings }: AuditReport) =>
      findings
        .filter(({ credential }) => credential?.name.includes(prefix))
        .map(({ region, rule, status, credential }) => `${region} ${credential?.name} ${rule} ${status}`)
        .sort()

    test('has the findings of the played account, except that MiniStack has no Access Analyzer', () => {
      const names = deployed.credentials.filter(({ name }) => name.includes(prefix)).map(({ name }) => name)
      expect(names).toHaveLength(20 + 2)
      // Neither has events of CloudTrail although rotations ended, so reads are not known in either.
      for (const region of doubled.regions) expect(deployed.readsKnownSince).not.toHaveProperty(region)
      const unread = told(deployed).filter(finding => !told(doubled).includes(finding))
      expect(unread.map(finding => finding.split(' ')[2])).toEqual(['exposed', 'exposed'])
      // Their values were stored just now, so none is too old, and earlier failures do not count.
      expect(told(doubled)).toHaveLength(14)
      expect(told(deployed)).toEqual([...told(doubled), ...unread].sort())
    })

    test('the policy allows reading no value', async () => {
      const { here } = regions()
      const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = credentials
      const sessionToken = `${credentials.AWS_SESSION_TOKEN}`
      const client = { ...here.client, credentials: { accessKeyId, secretAccessKey, sessionToken } }
      const read = new GetSecretValueCommand({ SecretId: `${prefix}/well` })
      await expect(new SecretsManagerClient(client).send(read)).rejects.toThrow(/not authorized/)
      const get = new GetParameterCommand({ Name: `/${prefix}/well` })
      await expect(new SSMClient(client).send(get)).rejects.toThrow(/not authorized/)
    })

    test('the policy allows keyturn doctor and keyturn readers', async () => {
      const { here } = regions()
      const env = commandEnvironment(here.url, { ...here.env, ...credentials })
      const looked = await runCommand(['doctor'], env)
      expect(looked.stdout).toMatch(/^ok +\d+ functions/m)
      expect(looked.stdout).not.toContain('not read')
      const readers = await runCommand(['readers', `secret:${prefix}/well`], env)
      expect(readers).toMatchObject({
        code: 1,
        stdout: expect.stringMatching(
          /: not known: CloudTrail tells of no read at all, although \d+ rotations? ended/,
        ),
      })
    })
  })
}
