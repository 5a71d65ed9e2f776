import {
  accountIn,
  arnInRegion,
  parameterArn,
  regionIn,
  SECRET_REFERENCE_PREFIX,
} from '../../rotation/arn.ts'
import type { FoundCredential } from '../credential.ts'
import { CommandError, EXIT } from '../exit.ts'
import { sanitize } from '../output.ts'
import { type PolicyPart, policyDocument, type Statement } from './document.ts'
import { decryptStatements, type EncryptedCopy, keyPolicyPart, kmsKeyOf } from './key.ts'
import type { Role } from './role.ts'

/** How the application reads: also the replicas, or by Parameter Store's own name for the secret. */
export type ReadOptions = { replicas?: boolean; asParameter?: boolean }

/**
 * What lets a role read one credential: its own policy, and where the credential is another account's or has a key of its
 * owner's, what the owner has to allow.
 * @throws CommandError if nothing could allow it
 */
export function readerParts(found: FoundCredential, role: Role, reading: ReadOptions): PolicyPart[] {
  const copies = copiesOf(found, reading)
  const isOurs = role.account === accountIn(found.arn)
  if (reading.asParameter) refuseReference(found, isOurs)
  if (!isOurs) requireSharable(found, copies)
  const keys = copies.filter(({ key }) => key)
  return [
    rolePart(found, role, copies, reading),
    ...(isOurs || found.store === 'parameter-store' ? [] : [resourcePart(found, role)]),
    ...(keys.length ? [keyPolicyPart(keys, role, isOurs)] : []),
  ]
}

function copiesOf(found: FoundCredential, { replicas }: ReadOptions): EncryptedCopy[] {
  if (found.store === 'parameter-store') {
    const { Type, KeyId } = found.parameter
    return [{ arn: found.arn, key: Type === 'String' ? undefined : kmsKeyOf(KeyId, found.arn, 'ssm') }]
  }
  const { KmsKeyId, ReplicationStatus = [] } = found.secret
  const own = { arn: found.arn, key: kmsKeyOf(KmsKeyId, found.arn, 'secretsmanager') }
  if (!replicas) return [own]
  const others = ReplicationStatus.map(({ Region = '', KmsKeyId: key }) => {
    const arn = arnInRegion(found.arn, Region)
    return { arn, key: kmsKeyOf(key, arn, 'secretsmanager') }
  })
  return [own, ...others]
}

function rolePart(
  found: FoundCredential,
  role: Role,
  copies: EncryptedCopy[],
  reading: ReadOptions,
): PolicyPart {
  const document = policyDocument([
    readStatement(found, copies),
    ...(reading.asParameter ? [readReferenceStatement(found, copies)] : []),
    ...decryptStatements(copies),
  ])
  return {
    name: 'role',
    document,
    resource: {
      Type: 'AWS::IAM::RolePolicy',
      Properties: { RoleName: role.name, PolicyName: policyNameFor(found), PolicyDocument: document },
    },
    notes: notesFor(found, role, reading),
  }
}

function notesFor(found: FoundCredential, role: Role, { replicas }: ReadOptions): string[] {
  const put = `It is for the role ${role.arn}, such as by aws iam put-role-policy --role-name ${role.name} --policy-name ${policyNameFor(found)} --policy-document file://policy.json`
  if (found.store === 'parameter-store') {
    const share = `AWS RAM has to share the parameter with the account ${role.account}, and the application names it by its ARN: ${found.arn}`
    return role.account === accountIn(found.arn) ? [put] : [put, share]
  }
  const others = (found.secret.ReplicationStatus ?? []).length
  if (replicas || !others) return [put]
  const missed = others === 1 ? '1 replica' : `${others} replicas`
  return [put, `The secret has ${missed} that it does not reach: --replicas adds them.`]
}

/** AWS's caching clients call DescribeSecret before they read; clients of Parameter Store read one name or several. */
const readStatement = ({ store }: FoundCredential, copies: EncryptedCopy[]): Statement => ({
  Sid: 'Read',
  Effect: 'Allow',
  Action:
    store === 'secrets-manager'
      ? ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue']
      : ['ssm:GetParameter', 'ssm:GetParameters'],
  Resource: copies.map(({ arn }) => arn),
})

const readReferenceStatement = ({ name }: FoundCredential, copies: EncryptedCopy[]): Statement => ({
  Sid: 'ReadAsParameter',
  Effect: 'Allow',
  Action: ['ssm:GetParameter', 'ssm:GetParameters'],
  Resource: copies.map(({ arn }) => parameterArn(`${SECRET_REFERENCE_PREFIX}${name}`, arn)),
})

/** What a secret's own policy has to say for a role of another account. Replicas get the same policy. */
function resourcePart(found: FoundCredential, role: Role): PolicyPart {
  const document = policyDocument([
    {
      Sid: 'ReadFromAnotherAccount',
      Effect: 'Allow',
      Principal: { AWS: role.arn },
      Action: ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'],
      Resource: '*',
    },
  ])
  return {
    name: 'resource',
    document,
    resource: {
      Type: 'AWS::SecretsManager::ResourcePolicy',
      Properties: { SecretId: found.arn, ResourcePolicy: document, BlockPublicPolicy: true },
    },
    notes: [
      `It is the secret's own policy, and takes the place of one that is there: see aws secretsmanager get-resource-policy first, and add its statements. Then: aws secretsmanager put-resource-policy --region ${regionIn(found.arn)} --secret-id ${found.arn} --block-public-policy --resource-policy file://policy.json`,
    ],
  }
}

/** @throws CommandError for what another account could not read, whatever is allowed */
function requireSharable(found: FoundCredential, copies: EncryptedCopy[]): void {
  const name = sanitize(found.name)
  const isEncrypted = found.store === 'secrets-manager' || found.parameter.Type !== 'String'
  if (found.store === 'parameter-store' && found.parameter.Tier !== 'Advanced')
    throw new CommandError(
      EXIT.usage,
      `the parameter ${name} is a standard one, which no other account can read`,
      'Only an advanced parameter can be shared, by AWS RAM, and it never becomes a standard one again. Else keep the credential as a secret.',
    )
  const unkeyed = copies.filter(({ key }) => !key)
  if (!isEncrypted || !unkeyed.length) return
  const own = found.store === 'secrets-manager' ? 'aws/secretsmanager' : 'aws/ssm'
  throw new CommandError(
    EXIT.usage,
    `${name} is encrypted by ${own} in ${unkeyed.map(({ arn }) => regionIn(arn)).join(', ')}, a key that no other account can use`,
    'Give it a KMS key of your own there, whose policy can let another account in, and repeat the command.',
  )
}

function refuseReference({ store }: FoundCredential, isOurs: boolean): void {
  if (store === 'parameter-store')
    throw new CommandError(
      EXIT.usage,
      'it is a parameter already',
      '--as-parameter is for a secret that is read by the name /aws/reference/secretsmanager/….',
    )
  if (!isOurs)
    throw new CommandError(
      EXIT.usage,
      "Parameter Store's name for a secret is known in the secret's own account only",
      'Without --as-parameter, the role reads the secret by its ARN from Secrets Manager.',
    )
}

/** As IAM takes a policy's name. */
const policyNameFor = ({ name }: FoundCredential): string =>
  `read-${name.replace(/^\//, '').replaceAll(/[^\w+=,.@-]+/g, '-')}`.slice(0, 128)
