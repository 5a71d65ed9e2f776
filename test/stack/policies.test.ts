import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serverlessGrants } from '../../cli/policy/deployCalls.ts'
import { deployerParts } from '../../cli/policy/deployer.ts'
import { functionGrants, resourceGrants } from '../../cli/policy/deployResources.ts'
import { type PolicyDocument, type PolicyPart, templateOf } from '../../cli/policy/document.ts'
import { personPart } from '../../cli/policy/people.ts'
import { readerParts } from '../../cli/policy/reader.ts'
import { parseRoleArn } from '../../cli/policy/role.ts'
import { locationIn, type StackLocation } from '../../cli/policy/stackLocation.ts'
import { pythonBin } from '../../local/stack/python.ts'

const project = join(import.meta.dirname, '../..')
const bin = await pythonBin()
const ground: StackLocation = {
  ...locationIn('eu-west-1', '123456789012'),
  stack: 'keyturn-test',
  namePrefix: 'keyturn-test',
}
const role = parseRoleArn('arn:aws:iam::210987654321:role/shop')
const KmsKeyId = 'arn:aws:kms:eu-west-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'
const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/database-AbCdEf'
const people = [personPart('operator', ground), personPart('auditor', ground), ...deployerParts(ground)]
const readers = readerParts(
  { store: 'secrets-manager', name: 'shop/database', arn, tags: {}, secret: { KmsKeyId } },
  role,
  {},
)

/** Compares with AWS's lists in cfn-lint: of actions, of their resources, and of the calls that make each resource type. */
describe.skipIf(!bin)('the policies of `keyturn policy`, compared with AWS’s lists of actions', () => {
  let data: string
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyturn-policies-'))
    data = dirname(globSync('../lib/python3*/site-packages/cfnlint/data/schemas', { cwd: `${bin}` })[0] ?? '')
    data = join(`${bin}`, data)
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))
  const json = (path: string) => JSON.parse(readFileSync(join(data, path), 'utf8'))

  test('pass cfn-lint as templates, which knows every action and the form of its resources', async () => {
    const files = await Promise.all(
      [...people, ...readers].flatMap(({ resource }: PolicyPart, n) => {
        if (!resource) return []
        const file = join(folder, `${n}.json`)
        return writeFile(file, JSON.stringify(templateOf('A policy', resource))).then(() => file)
      }),
    )
    expect(files).toHaveLength(7)
    const options = ['--non-zero-exit-code', 'informational', '--include-checks', 'I', '--', ...files]
    const linted = promisify(execFile)(join(`${bin}`, 'cfn-lint'), options).catch(error => error)
    const { stdout, stderr } = await linted
    expect(stdout + stderr).toBe('')
  })

  test('are about all resources only for actions without resources and for the lists in docs/policy.md', () => {
    type Service = { Actions: Record<string, { Resources?: string[] }> }
    const services: Record<string, Service> = json('AdditionalSpecs/Policies.json')
    const isAboutAll = ({ Statement }: PolicyDocument) =>
      Statement.filter(({ Resource }) => [Resource].flat().includes('*')).flatMap(({ Action }) => Action)
    const named = people
      .flatMap(({ document }) => isAboutAll(document))
      .filter(action => {
        const [service = '', name = ''] = action.split(':')
        return services[service]?.Actions[name.toLowerCase()]?.Resources !== undefined
      })
    expect([...new Set(named)].sort()).toEqual([
      'cloudformation:DescribeStacks',
      'cloudwatch:DescribeAlarms',
      'cloudwatch:GetMetricData',
    ])
  })

  /** Actions that are only for properties which the template does not set, or for services that it does not use. */
  const unset = `
    dynamodb: AssociateTableReplica BatchWriteItem CreateTableReplica DeleteItem DeleteResourcePolicy
    dynamodb: DescribeImport DisableKinesisStreamingDestination EnableKinesisStreamingDestination GetItem
    dynamodb: ImportTable PutItem PutResourcePolicy Query Scan UpdateContributorInsights UpdateItem
    dynamodb: UpdateKinesisStreamingDestination
    elasticfilesystem: DescribeMountTargets
    firehose: TagDeliveryStream
    iam: AttachGroupPolicy AttachRolePolicy AttachUserPolicy CreateServiceLinkedRole
    iam: DeleteRolePermissionsBoundary DetachGroupPolicy DetachRolePolicy DetachUserPolicy
    iam: PutRolePermissionsBoundary
    kinesis: DescribeStream PutRecords
    kms: CreateGrant Decrypt Encrypt GenerateDataKey ListAliases RevokeGrant
    lambda: AssociateRuntimeAlias DeleteFunctionCodeSigningConfig DeleteFunctionConcurrency
    lambda: GetCodeSigningConfig GetLayerVersion PassCapacityProvider PublishVersion
    lambda: PutFunctionCodeSigningConfig PutFunctionConcurrency PutFunctionRecursionConfig
    lambda: PutFunctionScalingConfig PutRuntimeManagementConfig
    logs: AssociateKmsKey CreateLogDelivery CreateLogStream DeleteDataProtectionPolicy DeleteIndexPolicy
    logs: DeleteResourcePolicy DescribeLogStreams DescribeResourcePolicies DisassociateKmsKey
    logs: PutBearerTokenAuthentication PutDataProtectionPolicy PutIndexPolicy PutLogEvents
    logs: PutLogGroupDeletionProtection PutResourcePolicy
    s3: CreateBucketMetadataTableConfiguration DeleteBucketAnalyticsConfiguration DeleteBucketCors
    s3: DeleteBucketEncryption DeleteBucketLifecycle DeleteBucketMetadataTableConfiguration
    s3: DeleteBucketMetricsConfiguration DeleteBucketReplication DeleteBucketWebsite DeleteObject
    s3: GetObjectMetadata PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketAbac
    s3: PutBucketAcl PutBucketCORS PutBucketLogging PutBucketNotification
    s3: PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketReplication
    s3: PutBucketVersioning PutBucketWebsite PutIntelligentTieringConfiguration
    s3: PutInventoryConfiguration PutLifecycleConfiguration PutMetricsConfiguration PutObjectAcl
    s3: PutObjectLockConfiguration PutReplicationConfiguration REST.PUT.OBJECT
    s3: UpdateBucketMetadataAnnotationTableConfiguration UpdateBucketMetadataInventoryTableConfiguration
    s3: UpdateBucketMetadataJournalTableConfiguration
    s3files: ListMountTargets
    s3tables: CreateNamespace CreateTable CreateTableBucket GetTable GetTableMetadataLocation
    s3tables: PutTableBucketPolicy PutTableEncryption PutTablePolicy UpdateTableMetadataLocation
    sns: PutDataProtectionPolicy`
    .trim()
    .split('\n')
    .flatMap(line => {
      const [service, names = ''] = line.trim().split(': ')
      return names.split(' ').map(name => `${service}:${name}`)
    })

  test('allow a deployer what CloudFormation does for each type in the template', async () => {
    const types = new Set(await typesOfTemplate())
    const granted = [...functionGrants, ...resourceGrants]
    expect([...new Set(granted.flatMap(({ types }) => types))].sort()).toEqual([...types].sort())
    const schemas = json('schemas/providers/us-east-1.json')
    const allowed = granted.flatMap(({ actions }) => actions)
    const isAllowed = (action: string) =>
      allowed.some(one => new RegExp(`^${one.replaceAll('*', '\\w*')}$`).test(action))
    const called = new Set<string>()
    for (const type of types) {
      const { handlers } = json(`schemas/resources/${schemas[type]}.json`)
      for (const handler of ['create', 'read', 'update', 'delete'])
        for (const action of handlers[handler]?.permissions ?? []) called.add(action)
    }
    expect([...called].filter(action => !isAllowed(action)).sort()).toEqual(unset.toSorted())
    // It allows nothing else.
    expect(allowed.filter(action => !action.includes('*') && !called.has(action))).toEqual([])
  })

  async function typesOfTemplate(): Promise<string[]> {
    const paths = globSync('resources/**/*.yml', { cwd: project })
    const texts = await Promise.all(paths.map(path => readFile(join(project, path), 'utf8')))
    const written = texts.flatMap(text => text.match(/(?<=^ {4}Type: )AWS::\S+$/gm) ?? [])
    // Actions that serverless itself needs.
    return [
      ...written,
      'AWS::Lambda::Function',
      'AWS::Logs::LogGroup',
      'AWS::S3::Bucket',
      'AWS::S3::BucketPolicy',
    ]
  }
})

test('the actions that serverless itself calls read no value, and change only stacks and a bucket', () => {
  const actions = serverlessGrants.flatMap(({ actions }) => actions)
  for (const action of actions) expect(action).toMatch(/^(cloudformation|s3):|:(List|Get)\w+s?$/)
  expect(actions.filter(action => /Value|Policy|iam:|kms:/.test(action))).toEqual([])
})
