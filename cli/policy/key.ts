import { accountIn, regionIn } from '../../rotation/arn.ts'
import { type Condition, type PolicyPart, policyDocument, type Statement } from './document.ts'
import { locationIn } from './policyResources.ts'
import type { Role } from './role.ts'

/** A KMS key of the owner's, as far as a policy can name it, and how it is used for one credential. */
export type KmsKey = { resource: string; condition: Condition }

/** A credential in one Region, and the key that encrypts it there, unless that is AWS's own. */
export type EncryptedCopy = { arn: string; key: KmsKey | undefined }

/** What each service tells KMS of what it decrypts. */
const ENCRYPTION_CONTEXT_KEYS = { secretsmanager: 'SecretARN', ssm: 'PARAMETER_ARN' } as const

/**
 * The key that encrypts a credential, which its store names by an id, an ARN or an alias; undefined where it is AWS's own, as
 * that needs no permission. A key that is known by an alias alone is any key that has this alias.
 * https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
 */
export function kmsKeyOf(
  id: string | undefined,
  arn: string,
  service: keyof typeof ENCRYPTION_CONTEXT_KEYS,
): KmsKey | undefined {
  if (!id || /(^|:)alias\/aws\//.test(id)) return undefined
  const [region, account] = [regionIn(arn) ?? '', accountIn(arn) ?? '']
  const { partition, urlSuffix } = locationIn(region, account)
  const keys = `arn:${partition}:kms:${region}:${accountIn(id) ?? account}:key/`
  const alias = /(?:^|:)(alias\/.+)$/.exec(id)?.[1]
  return {
    resource: alias ? `${keys}*` : id.startsWith('arn:') ? id : `${keys}${id}`,
    condition: {
      StringEquals: {
        'kms:ViaService': `${service}.${region}.${urlSuffix}`,
        [`kms:EncryptionContext:${ENCRYPTION_CONTEXT_KEYS[service]}`]: arn,
      },
      ...(alias && { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': alias } }),
    },
  }
}

/** What a role needs of the keys. Each decrypts this credential alone, and only through its store. */
export const decryptStatements = (copies: EncryptedCopy[]): Statement[] =>
  keysOf(copies).map(({ resource, condition }, n) => ({
    Sid: sidOf(n),
    Effect: 'Allow',
    Action: ['kms:Decrypt'],
    Resource: resource,
    Condition: condition,
  }))

const keysOf = (copies: EncryptedCopy[]): KmsKey[] => copies.flatMap(({ key }) => key ?? [])
const sidOf = (n: number) => (n ? `Decrypt${n + 1}` : 'Decrypt')

/** The statements for the keys' own policies, one for each key. */
export function keyPolicyPart(copies: EncryptedCopy[], role: Role, isOurs: boolean): PolicyPart {
  const keys = keysOf(copies)
  const statements = keys.map(
    ({ condition: { StringEquals = {} } }, n): Statement => ({
      Sid: sidOf(n),
      Effect: 'Allow',
      Principal: { AWS: role.arn },
      Action: ['kms:Decrypt'],
      Resource: '*',
      Condition: { StringEquals },
    }),
  )
  const where = keys
    .map(({ resource }, n) => `${sidOf(n)} is for the policy of the key ${resource}`)
    .join('; ')
  return {
    name: 'key',
    document: policyDocument(statements),
    notes: [
      `${where}. Add it to what is there: in its place it would lock everybody else out.`,
      ...(isOurs
        ? [
            "It is needed only where that policy does not let IAM policies of its account decide, as a new key's does.",
          ]
        : []),
    ],
  }
}
