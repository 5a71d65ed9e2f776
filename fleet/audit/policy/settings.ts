import type { CredentialFacts } from '../facts.ts'
import { requireKnown } from '../knownFact.ts'
import type { Finding } from '../report.ts'
import type { Policy, PolicyException, PolicySection, Settings } from './policy.ts'

/**
 * What a policy asks of a credential. Of several sections that are for it, the later one counts.
 * @throws UnreadFact if a section goes by a tag, and the tags could not be read
 */
export function settingsOf(credential: CredentialFacts, policy: Policy): Settings {
  const { sections, ...settings } = policy
  const its = sections.filter(section => appliesTo(section, credential))
  return Object.assign({ ...settings }, ...its.map(({ for: _, ...own }) => own))
}

function appliesTo({ for: { prefix, store, tag } }: PolicySection, credential: CredentialFacts): boolean {
  if (store && store !== credential.store) return false
  if (prefix && !credential.name.startsWith(prefix)) return false
  if (!tag) return true
  const value = requireKnown(credential.tags)[tag.key]
  return value !== undefined && (tag.value === undefined || tag.value === value)
}

/** The exception that covers a finding on the day of `moment`, if there is one. The one that holds longest counts. */
export function exceptionFor(
  { exceptions }: Policy,
  finding: { rule: string; region: string; name: string },
  moment: string,
): PolicyException | undefined {
  const its = exceptions.filter(
    exception => exception.until >= moment.slice(0, 10) && covers(exception, finding),
  )
  return its.toSorted((a, b) => b.until.localeCompare(a.until))[0]
}

/** The exceptions that cover none of these findings, or whose last day is past. */
export const findUnusedExceptions = (
  { exceptions }: Policy,
  findings: Finding[],
  moment: string,
): PolicyException[] =>
  exceptions.filter(
    exception =>
      exception.until < moment.slice(0, 10) ||
      !findings.some(({ rule, region, credential }) =>
        covers(exception, { rule, region, name: credential?.name ?? '' }),
      ),
  )

const covers = (
  exception: PolicyException,
  { rule, region, name }: Pick<PolicyException, 'rule' | 'name'> & { region: string },
) =>
  exception.rule === rule &&
  (!exception.region || exception.region === region) &&
  matchesName(exception.name, name)

const matchesName = (pattern: string, name: string) =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
