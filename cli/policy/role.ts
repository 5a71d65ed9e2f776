import { CommandError, exit } from '../exit.ts'
import { plain } from '../output.ts'

/** A role of IAM, in whichever account. */
export type Role = { arn: string; account: string; name: string }

/** The role that an ARN names. @throws CommandError if it names none */
export function roleOf(arn: string): Role {
  const [, account, path] = /^arn:aws[a-z-]*:iam::(\d{12}):role\/([\w+=,.@/-]{1,576})$/.exec(arn) ?? []
  const name = path?.split('/').at(-1)
  if (account && name) return { arn, account, name }
  throw new CommandError(
    exit.usage,
    `${plain(arn)} is no ARN of a role`,
    /:assumed-role\//.test(arn)
      ? 'That is a session. Its role: aws iam get-role --role-name NAME --query Role.Arn'
      : 'It is like arn:aws:iam::123456789012:role/shop: aws iam get-role --role-name shop --query Role.Arn',
  )
}
