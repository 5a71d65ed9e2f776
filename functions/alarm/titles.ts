import { shorten } from '../../rotation/shorten.ts'
import type { Failure } from './failure.ts'
import { credentialName, keepEnd, oneLineOf } from './format.ts'
import type { Headline } from './headlines.ts'

/** The store and the name or ARN of a credential, as far as an event has them. */
export type CredentialRef = { store?: string | undefined; id?: string | undefined }

const KIND_BY_STORE: Record<string, string> = { 'secrets-manager': 'secret', 'parameter-store': 'parameter' }

/** What a credential of this store is called; undefined for a store that is not known. */
export const credentialKindOf = ({ store = '' }: CredentialRef) =>
  Object.hasOwn(KIND_BY_STORE, store) ? KIND_BY_STORE[store] : undefined

/** The label of the fact that names the credential: Secret, Parameter or Credential. */
export function credentialLabelOf(which: CredentialRef): string {
  const kind = credentialKindOf(which) ?? 'credential'
  return kind[0]?.toUpperCase() + kind.slice(1)
}

/** What a title says of the credential `name`, such as `secret shop/database`, by headline. Without one: the rotation failed. */
const PHRASES: Partial<Record<Headline, (name: string) => string>> = {
  stopped: name => `rotation of ${name} was stopped midway`,
  harmless: name => `rotation of ${name} was stopped`,
  retire: name => `${name} was rotated, what it replaced is open`,
  stay: name => `${name} was rotated, and stays on its clone`,
  announce: name => `${name} was rotated, which was not announced`,
  behind: name => `${name} was rotated, and a replica does not follow`,
  promoted: name => `${name} was rotated, and was promoted elsewhere`,
  denied: name => `an event says that the rotation of ${name} failed`,
  well: name => `${name} was rotated`,
  followed: name => `${name} was rotated, and every Region has it`,
  unknown: () => 'an event that cannot be read',
}

const MAX_SUBJECT_LENGTH = 99

/**
 * The title of an alarm, and its subject: the title in less than 100 characters of printable ASCII, as SNS asks of every subject
 * (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html). A long name keeps its end in the subject, because the ends
 * of names differ more often than their beginnings.
 */
export function titleAndSubjectOf(
  severity: string,
  {
    error,
    whatFailed,
    headline,
    ...credential
  }: Pick<Failure, 'error' | 'whatFailed' | 'headline' | 'store' | 'id'>,
): { title: string; subject: string } {
  const start = `${severity.toUpperCase()}${error ? ` ${shorten(error, 40)}` : ''}: `
  const phrase = PHRASES[headline] ?? ((name: string) => `rotation of ${name} failed`)
  const kind = credential.id ? `${credentialKindOf(credential) ?? 'credential'} ` : 'a credential'
  const name = credential.id ? oneLineOf(credentialName(credential.id)) : ''
  const title = `${start}${whatFailed ? oneLineOf(whatFailed) : phrase(kind + name)}`
  const lengthWithoutName = title.length - name.length
  const fitted =
    whatFailed || title.length <= MAX_SUBJECT_LENGTH
      ? title
      : `${start}${phrase(kind + keepEnd(name, MAX_SUBJECT_LENGTH - lengthWithoutName))}`
  return { title, subject: fitted.replaceAll(/[^ -~]/g, '?').slice(0, MAX_SUBJECT_LENGTH) }
}
