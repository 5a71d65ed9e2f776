import {
  accountIn,
  arnInRegion,
  parameterArn,
  regionIn,
  SECRET_REFERENCE_PREFIX,
} from '../../rotation/arn.ts'
import type { FoundCredential } from '../credential.ts'
import { usageError } from '../exit.ts'
import { sanitize } from '../output.ts'
import { type PolicyPart, policyDocument, type Statement } from './document.ts'
import { decryptStatements, type EncryptedCopy, keyPolicyPart, kmsKeyOf } from './key.ts'
import type { Role } from './role.ts'

/** How the application reads: also the replicas, and also by Parameter Store's name for the secret. */
export type ReadOptions = { replicas?: boolean; asParameter?: boolean }

/**
 * The policies that let a role read one credential: the role's own policy, for another account the secret's resource policy,
 * and, for a customer managed key, the statements for the key policy.
 * @throws CommandError if no policy could allow it
 */
export function readerParts(found: FoundCredential, role: Role, readOptions: ReadOptions): PolicyPart[] {
  const copies = copiesOf(found, readOptions)
  const isOwnAccount = role.account === accountIn(found.arn)
  if (readOptions.asParameter) requireReference(found, isOwnAccount)
  if (!isOwnAccount) requireSharable(found, copies)
  const keys = copies.filter(({ key }) => key)
  return [
    rolePart(found, role, copies, readOptions),
    ...(isOwnAccount || found.store === 'parameter-store' ? [] : [resourcePart(found, role)]),
    ...(keys.length ? [keyPolicyPart(keys, role, isOwnAccount)] : []),
  ]
}

/** The credential and, if asked for, its replicas, each with its key. */
function copiesOf(found: FoundCredential, { replicas }: ReadOptions): EncryptedCopy[] {
  if (found.store === 'parameter-store') {
    const { Type, KeyId } = found.parameter
    return [{ arn: found.arn, key: Type === 'String' ? undefined : kmsKeyOf(KeyId, found.arn, 'ssm') }]
  }
  const { KmsKeyId, ReplicationStatus = [] } = found.secret
  const ownCopy = { arn: found.arn, key: kmsKeyOf(KmsKeyId, found.arn, 'secretsmanager') }
  if (!replicas) return [ownCopy]
  const replicaCopies = ReplicationStatus.map(({ Region = '', KmsKeyId: key }) => {
    const arn = arnInRegion(found.arn, Region)
    return { arn, key: kmsKeyOf(key, arn, 'secretsmanager') }
  })
  return [ownCopy, ...replicaCopies]
}

function rolePart(
  found: FoundCredential,
  role: Role,
  copies: EncryptedCopy[],
  readOptions: ReadOptions,
): PolicyPart {
  const document = policyDocument([
    readStatement(found, copies),
    ...(readOptions.asParameter ? [readReferenceStatement(found, copies)] : []),
    ...decryptStatements(copies),
  ])
  return {
    name: 'role',
    document,
    resource: {
      Type: 'AWS::IAM::RolePolicy',
      Properties: { RoleName: role.name, PolicyName: policyNameFor(found), PolicyDocument: document },
    },
    notes: notesFor(found, role, readOptions),
  }
}

function notesFor(found: FoundCredential, role: Role, { replicas }: ReadOptions): string[] {
  const putText = `It is for the role ${role.arn}: aws iam put-role-policy --role-name ${role.name} --policy-name ${policyNameFor(found)} --policy-document file://policy.json`
  if (found.store === 'parameter-store') {
    const shareText = `AWS RAM has to share the parameter with the account ${role.account}, and the application names it by its ARN: ${found.arn}`
    return role.account === accountIn(found.arn) ? [putText] : [putText, shareText]
  }
  const replicaCount = (found.secret.ReplicationStatus ?? []).length
  if (replicas || !replicaCount) return [putText]
  const missedText = replicaCount === 1 ? '1 replica' : `${replicaCount} replicas`
  return [putText, `The secret has ${missedText} that this policy does not cover: --replicas adds them.`]
}

/**
 * The statement to read the copies. AWS's caching clients call DescribeSecret before they read a secret; clients of Parameter
 * Store read one name or several.
 * @see https://docs.aws.amazon.com/secretsmanager/latest/userguide/retrieving-secrets_cache-python.html
 */
const readStatement = ({ store }: FoundCredential, copies: EncryptedCopy[]): Statement => ({
  Sid: 'Read',
  Effect: 'Allow',
  Action:
    store === 'secrets-manager'
      ? ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue']
      : ['ssm:GetParameter', 'ssm:GetParameters'],
  Resource: copies.map(({ arn }) => arn),
})

/** The statement to read the copies by Parameter Store's name for them. */
const readReferenceStatement = ({ name }: FoundCredential, copies: EncryptedCopy[]): Statement => ({
  Sid: 'ReadAsParameter',
  Effect: 'Allow',
  Action: ['ssm:GetParameter', 'ssm:GetParameters'],
  Resource: copies.map(({ arn }) => parameterArn(`${SECRET_REFERENCE_PREFIX}${name}`, arn)),
})

/** The resource policy of a secret that lets a role of another account read it. Secrets Manager copies it to replicas. */
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
      `It is the secret's resource policy, and replaces an existing one: see aws secretsmanager get-resource-policy first, and add its statements. Then: aws secretsmanager put-resource-policy --region ${regionIn(found.arn)} --secret-id ${found.arn} --block-public-policy --resource-policy file://policy.json`,
    ],
  }
}

/** Checks that another account can read the credential at all. @throws CommandError */
function requireSharable(found: FoundCredential, copies: EncryptedCopy[]): void {
  const name = sanitize(found.name)
  const isEncrypted = found.store === 'secrets-manager' || found.parameter.Type !== 'String'
  if (found.store === 'parameter-store' && found.parameter.Tier !== 'Advanced')
    throw usageError(
      `the parameter ${name} is a standard parameter, which no other account can read`,
      'Only an advanced parameter can be shared, by AWS RAM, and it cannot become a standard parameter again. Or keep the credential as a secret.',
    )
  const withoutKey = copies.filter(({ key }) => !key)
  if (!isEncrypted || !withoutKey.length) return
  const managedKey = found.store === 'secrets-manager' ? 'aws/secretsmanager' : 'aws/ssm'
  throw usageError(
    `${name} is encrypted by ${managedKey} in ${withoutKey.map(({ arn }) => regionIn(arn)).join(', ')}, a key that no other account can use`,
    'Encrypt it with a customer managed KMS key there, whose policy can allow another account, and repeat the command.',
  )
}

/**
 * Checks that the role can read the credential by Parameter Store's name for a secret (--as-parameter).
 * @throws CommandError if not
 */
function requireReference({ store }: FoundCredential, isOwnAccount: boolean): void {
  if (store === 'parameter-store')
    throw usageError(
      'it is a parameter already',
      '--as-parameter is for a secret that is read by the name /aws/reference/secretsmanager/….',
    )
  if (!isOwnAccount)
    throw usageError(
      "Parameter Store's name for a secret works only in the secret's own account",
      'Without --as-parameter, the role reads the secret by its ARN from Secrets Manager.',
    )
}

/** A valid name for the policy: IAM allows 128 characters, and only some signs. */
const policyNameFor = ({ name }: FoundCredential): string =>
  `read-${name.replace(/^\//, '').replaceAll(/[^\w+=,.@-]+/g, '-')}`.slice(0, 128)
