import type { CredentialFacts } from './facts.ts'

/** A text as one word of a shell's line: names and tags may hold anything. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) && !text.startsWith('-')
    ? text
    : `'${text.replaceAll(/\p{Cc}/gu, ' ').replaceAll("'", String.raw`'\''`)}'`

/** Whether a remedy is a command to paste, and no sentence. */
export const isCommand = (remedy: string): boolean => /^(aws|keyturn|npx) /.test(remedy)

/** The credential as keyturn's commands take it. */
const storeAndNameOf = ({ store, name }: Pick<CredentialFacts, 'store' | 'name'>): string =>
  shellWord(`${store === 'secrets-manager' ? 'secret' : 'parameter'}:${name}`)

/** A command of Keyturn about a credential, in its Region. */
export const keyturnCommand = (credential: CredentialFacts, verb: string, options = ''): string =>
  `keyturn ${verb} ${storeAndNameOf(credential)} --region ${credential.region}${options && ` ${options}`}`

/** A command of AWS about a secret. */
export const secretCommand = (
  { region, name }: Pick<CredentialFacts, 'region' | 'name'>,
  operation: string,
  options = '',
): string =>
  `aws secretsmanager ${operation} --region ${region} --secret-id ${shellWord(name)}${options && ` ${options}`}`

/** The command that sets a tag. */
export function tagCommand(credential: CredentialFacts, key: string, value: string): string {
  const pair = shellWord(`Key=${key},Value=${value}`)
  if (credential.store === 'secrets-manager')
    return secretCommand(credential, 'tag-resource', `--tags ${pair}`)
  const { region, name } = credential
  return `aws ssm add-tags-to-resource --region ${region} --resource-type Parameter --resource-id ${shellWord(name)} --tags ${pair}`
}
