import { usageError } from '../exit.ts'
import { sanitize } from '../output.ts'

/** An IAM role, of any account. */
export type Role = { arn: string; account: string; name: string }

/** Parses the ARN of a role. @throws CommandError if it is not the ARN of a role */
export function parseRoleArn(arn: string): Role {
  const [, account, path] = /^arn:aws[a-z-]*:iam::(\d{12}):role\/([\w+=,.@/-]{1,576})$/.exec(arn) ?? []
  const name = path?.split('/').at(-1)
  if (account && name) return { arn, account, name }
  throw usageError(`${sanitize(arn)} is not the ARN of a role`, remedyFor(arn))
}

function remedyFor(arn: string): string {
  const [, kind] = /^arn:[\w-]+:(?:iam|sts)::\d{12}:(assumed-role|user|group|root)\b/.exec(arn) ?? []
  if (kind === 'assumed-role')
    return 'That is a session. Its role: aws iam get-role --role-name NAME --query Role.Arn'
  if (kind === 'root') return 'That is a whole account. Name the role that the application has in it.'
  if (kind) return `That is a ${kind}, but the policy is for a role: name the role that the application has.`
  return 'It is like arn:aws:iam::123456789012:role/shop: aws iam get-role --role-name shop --query Role.Arn'
}
