import { accountIn, inRegion, parameterArn, regionIn, SECRET_REFERENCE } from '../../rotation/arn.ts'
import type { Found } from '../credentialId.ts'
import { CommandError, exit } from '../exit.ts'
import { plain } from '../output.ts'
import { documentOf, type Part, type Statement } from './document.ts'
import { type Copy, keyOf, keyPart, mayDecrypt } from './key.ts'
import type { Role } from './role.ts'

/** How the application reads: also the replicas, or by Parameter Store's own name for the secret. */
export type Reading = { replicas?: boolean; asParameter?: boolean }

/**
 * What lets a role read one credential: its own policy, and where the credential is another account's or has a key of its
 * owner's, what the owner has to allow.
 * @throws CommandError if nothing could allow it
 */
export function readerParts(found: Found, role: Role, reading: Reading): Part[] {
  const copies = copiesOf(found, reading)
  const isOurs = role.account === accountIn(found.arn)
  if (reading.asParameter) refuseReference(found, isOurs)
  if (!isOurs) refuseUnshared(found, copies)
  const keys = copies.filter(({ key }) => key)
  return [
    rolePart(found, role, copies, reading),
    ...(isOurs || found.store === 'parameter-store' ? [] : [resourcePart(found, role)]),
    ...(keys.length ? [keyPart(keys, role, isOurs)] : []),
  ]
}

function copiesOf(found: Found, { replicas }: Reading): Copy[] {
  if (found.store === 'parameter-store') {
    const { Type, KeyId } = found.parameter
    return [{ arn: found.arn, key: Type === 'String' ? undefined : keyOf(KeyId, found.arn, 'ssm') }]
  }
  const { KmsKeyId, ReplicationStatus = [] } = found.secret
  const own = { arn: found.arn, key: keyOf(KmsKeyId, found.arn, 'secretsmanager') }
  if (!replicas) return [own]
  const others = ReplicationStatus.map(({ Region = '', KmsKeyId: key }) => {
    const arn = inRegion(found.arn, Region)
    return { arn, key: keyOf(key, arn, 'secretsmanager') }
  })
  return [own, ...others]
}

function rolePart(found: Found, role: Role, copies: Copy[], reading: Reading): Part {
  const document = documentOf([
    readsValue(found, copies),
    ...(reading.asParameter ? [readsReference(found, copies)] : []),
    ...mayDecrypt(copies),
  ])
  return {
    name: 'role',
    document,
    resource: {
      Type: 'AWS::IAM::RolePolicy',
      Properties: { RoleName: role.name, PolicyName: nameFor(found), PolicyDocument: document },
    },
    notes: notesFor(found, role, reading),
  }
}

function notesFor(found: Found, role: Role, { replicas }: Reading): string[] {
  const put = `It is for the role ${role.arn}, such as by aws iam put-role-policy --role-name ${role.name} --policy-name ${nameFor(found)} --policy-document file://policy.json`
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
const readsValue = ({ store }: Found, copies: Copy[]): Statement => ({
  Sid: 'Read',
  Effect: 'Allow',
  Action:
    store === 'secrets-manager'
      ? ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue']
      : ['ssm:GetParameter', 'ssm:GetParameters'],
  Resource: copies.map(({ arn }) => arn),
})

const readsReference = ({ name }: Found, copies: Copy[]): Statement => ({
  Sid: 'ReadAsParameter',
  Effect: 'Allow',
  Action: ['ssm:GetParameter', 'ssm:GetParameters'],
  Resource: copies.map(({ arn }) => parameterArn(`${SECRET_REFERENCE}${name}`, arn)),
})

/** What a secret's own policy has to say for a role of another account. Replicas get the same policy. */
function resourcePart(found: Found, role: Role): Part {
  const document = documentOf([
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
function refuseUnshared(found: Found, copies: Copy[]): void {
  const name = plain(found.name)
  const isEncrypted = found.store === 'secrets-manager' || found.parameter.Type !== 'String'
  if (found.store === 'parameter-store' && found.parameter.Tier !== 'Advanced')
    throw new CommandError(
      exit.usage,
      `the parameter ${name} is a standard one, which no other account can read`,
      'Only an advanced parameter can be shared, by AWS RAM, and it never becomes a standard one again. Else keep the credential as a secret.',
    )
  const unkeyed = copies.filter(({ key }) => !key)
  if (!isEncrypted || !unkeyed.length) return
  const own = found.store === 'secrets-manager' ? 'aws/secretsmanager' : 'aws/ssm'
  throw new CommandError(
    exit.usage,
    `${name} is encrypted by ${own} in ${unkeyed.map(({ arn }) => regionIn(arn)).join(', ')}, a key that no other account can use`,
    'Give it a KMS key of your own there, whose policy can let another account in, and repeat the command.',
  )
}

function refuseReference({ store }: Found, isOurs: boolean): void {
  if (store === 'parameter-store')
    throw new CommandError(
      exit.usage,
      'it is a parameter already',
      '--as-parameter is for a secret that is read by the name /aws/reference/secretsmanager/….',
    )
  if (!isOurs)
    throw new CommandError(
      exit.usage,
      "Parameter Store's name for a secret is known in the secret's own account only",
      'Without --as-parameter, the role reads the secret by its ARN from Secrets Manager.',
    )
}

/** As IAM takes a policy's name. */
const nameFor = ({ name }: Found): string =>
  `read-${name.replace(/^\//, '').replaceAll(/[^\w+=,.@-]+/g, '-')}`.slice(0, 128)
