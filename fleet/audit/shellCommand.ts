import type { CredentialFacts } from './facts.ts'

/** A text as one word of a shell command, in quotes if it needs them: names and tags may have any character. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) && !text.startsWith('-')
    ? text
    : `'${text.replaceAll(/\p{Cc}/gu, ' ').replaceAll("'", String.raw`'\''`)}'`

/** Whether a remedy is a command to paste; otherwise it is a sentence. */
export const isCommand = (remedy: string): boolean => /^(aws|keyturn|npx) /.test(remedy)

/** The credential's store and name as keyturn's commands take them, such as `secret:app/db`, as one word of a shell command. */
const storeAndNameOf = ({ store, name }: Pick<CredentialFacts, 'store' | 'name'>): string =>
  shellWord(`${store === 'secrets-manager' ? 'secret' : 'parameter'}:${name}`)

/** A keyturn command about a credential, in its Region. `options` are written as they are. */
export const keyturnCommand = (credential: CredentialFacts, verb: string, options = ''): string =>
  `keyturn ${verb} ${storeAndNameOf(credential)} --region ${credential.region}${options && ` ${options}`}`

/** A command of the AWS CLI about a secret, such as `describe-secret`. `options` are written as they are. */
export const secretCommand = (
  { region, name }: Pick<CredentialFacts, 'region' | 'name'>,
  operation: string,
  options = '',
): string =>
  `aws secretsmanager ${operation} --region ${region} --secret-id ${shellWord(name)}${options && ` ${options}`}`

/** The command of the AWS CLI that sets a tag of a credential. */
export function tagCommand(credential: CredentialFacts, key: string, value: string): string {
  const pair = shellWord(`Key=${key},Value=${value}`)
  if (credential.store === 'secrets-manager')
    return secretCommand(credential, 'tag-resource', `--tags ${pair}`)
  const { region, name } = credential
  return `aws ssm add-tags-to-resource --region ${region} --resource-type Parameter --resource-id ${shellWord(name)} --tags ${pair}`
}
