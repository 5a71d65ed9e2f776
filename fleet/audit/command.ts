import type { CredentialFacts } from './facts.ts'

/** A text as one word of a shell's line: names and tags may hold anything. */
export const word = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) && !text.startsWith('-')
    ? text
    : `'${text.replaceAll(/\p{Cc}/gu, ' ').replaceAll("'", String.raw`'\''`)}'`

/** Whether a remedy is a command to paste, and no sentence. */
export const isCommand = (remedy: string): boolean => /^(aws|keyturn|npx) /.test(remedy)

/** The credential as keyturn's commands take it. */
const idOf = ({ store, name }: Pick<CredentialFacts, 'store' | 'name'>): string =>
  word(`${store === 'secrets-manager' ? 'secret' : 'parameter'}:${name}`)

/** A command of Keyturn about a credential, in its Region. */
export const keyturn = (credential: CredentialFacts, verb: string, options = ''): string =>
  `keyturn ${verb} ${idOf(credential)} --region ${credential.region}${options && ` ${options}`}`

/** A command of AWS about a secret. */
export const aboutSecret = (
  { region, name }: Pick<CredentialFacts, 'region' | 'name'>,
  operation: string,
  options = '',
): string =>
  `aws secretsmanager ${operation} --region ${region} --secret-id ${word(name)}${options && ` ${options}`}`

/** The command that sets a tag. */
export function tagging(credential: CredentialFacts, key: string, value: string): string {
  const pair = word(`Key=${key},Value=${value}`)
  if (credential.store === 'secrets-manager') return aboutSecret(credential, 'tag-resource', `--tags ${pair}`)
  const { region, name } = credential
  return `aws ssm add-tags-to-resource --region ${region} --resource-type Parameter --resource-id ${word(name)} --tags ${pair}`
}
