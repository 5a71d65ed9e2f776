import { accountIn, regionIn } from '../../rotation/arn.ts'
import { type Condition, type PolicyPart, policyDocument, type Statement } from './document.ts'
import type { Role } from './role.ts'
import { locationIn } from './stackLocation.ts'

/**
 * A customer managed KMS key: its ARN, or if only its alias is known, the ARN of all keys of its account and Region; and the
 * condition under which it may be used for one credential.
 */
export type KmsKey = { resource: string; condition: Condition }

/** A credential or its replica in one Region, and its KMS key there; undefined if that is an AWS managed key. */
export type EncryptedCopy = { arn: string; key: KmsKey | undefined }

/**
 * The key of the KMS encryption context in which each service puts the credential's ARN.
 * @see https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
 * @see https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
 */
const ENCRYPTION_CONTEXT_KEYS = { secretsmanager: 'SecretARN', ssm: 'PARAMETER_ARN' } as const

/**
 * The key that encrypts a credential. Undefined for an AWS managed key, which needs no permission. If only an alias is known, the
 * condition also asks that the key has this alias (kms:ResourceAliases).
 * @param id the key's id, ARN or alias, as the store names it
 * @param arn the credential's ARN
 * @see https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
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

/** The statements with which a role may use the keys: to decrypt this credential only, and only through its store. */
export const decryptStatements = (copies: EncryptedCopy[]): Statement[] =>
  keysOf(copies).map(({ resource, condition }, index) => ({
    Sid: sidOf(index),
    Effect: 'Allow',
    Action: ['kms:Decrypt'],
    Resource: resource,
    Condition: condition,
  }))

const keysOf = (copies: EncryptedCopy[]): KmsKey[] => copies.flatMap(({ key }) => key ?? [])
const sidOf = (index: number) => (index ? `Decrypt${index + 1}` : 'Decrypt')

/**
 * The statements to add to the key policies, one for each key.
 * @param isOwnAccount whether the role is in the credential's account
 */
export function keyPolicyPart(copies: EncryptedCopy[], role: Role, isOwnAccount: boolean): PolicyPart {
  const keys = keysOf(copies)
  const statements = keys.map(
    ({ condition: { StringEquals = {} } }, index): Statement => ({
      Sid: sidOf(index),
      Effect: 'Allow',
      Principal: { AWS: role.arn },
      Action: ['kms:Decrypt'],
      Resource: '*',
      Condition: { StringEquals },
    }),
  )
  const where = keys
    .map(({ resource }, index) => `${sidOf(index)} is for the policy of the key ${resource}`)
    .join('; ')
  return {
    name: 'key',
    document: policyDocument(statements),
    notes: [
      `${where}. Add it to the existing statements: instead of them it would lock everybody else out.`,
      ...(isOwnAccount
        ? [
            'It is needed only if the key policy does not allow IAM policies of its account, as the default key policy does.',
          ]
        : []),
    ],
  }
}
