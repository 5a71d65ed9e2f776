import type { CredentialFacts } from '../facts.ts'
import { known } from '../known.ts'
import type { Finding } from '../report.ts'
import type { Exception, Policy, Section, Settings } from './policy.ts'

/**
 * What a policy asks of a credential. Of several sections that are for it, the later one counts.
 * @throws UnreadFact if a section goes by a tag, and the tags could not be read
 */
export function settingsOf(credential: CredentialFacts, policy: Policy): Settings {
  const { sections, ...settings } = policy
  const its = sections.filter(section => isFor(section, credential))
  return Object.assign({ ...settings }, ...its.map(({ for: _, ...own }) => own))
}

function isFor({ for: { prefix, store, tag } }: Section, credential: CredentialFacts): boolean {
  if (store && store !== credential.store) return false
  if (prefix && !credential.name.startsWith(prefix)) return false
  if (!tag) return true
  const value = known(credential.tags)[tag.key]
  return value !== undefined && (tag.value === undefined || tag.value === value)
}

/** The exception that covers a finding on the day of `moment`, if there is one. The one that holds longest counts. */
export function exceptionFor(
  { exceptions }: Policy,
  finding: { rule: string; region: string; name: string },
  moment: string,
): Exception | undefined {
  const its = exceptions.filter(
    exception => exception.until >= moment.slice(0, 10) && isAbout(exception, finding),
  )
  return its.toSorted((a, b) => b.until.localeCompare(a.until))[0]
}

/** The exceptions that cover none of these findings, or whose last day is past. */
export const needless = ({ exceptions }: Policy, findings: Finding[], moment: string): Exception[] =>
  exceptions.filter(
    exception =>
      exception.until < moment.slice(0, 10) ||
      !findings.some(({ rule, region, credential }) =>
        isAbout(exception, { rule, region, name: credential?.name ?? '' }),
      ),
  )

const isAbout = (
  exception: Exception,
  { rule, region, name }: Pick<Exception, 'rule' | 'name'> & { region: string },
) =>
  exception.rule === rule &&
  (!exception.region || exception.region === region) &&
  matches(exception.name, name)

const matches = (pattern: string, name: string) =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
