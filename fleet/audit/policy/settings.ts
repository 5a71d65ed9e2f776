import type { CredentialFacts } from '../facts.ts'
import { requireKnown } from '../knownFact.ts'
import type { Finding } from '../report.ts'
import type { Policy, PolicyException, PolicySection, Settings } from './policy.ts'

/**
 * What a policy asks of a credential. If several sections apply to it and have the same setting, the last one counts.
 * @throws UnreadFact if a section depends on a tag, and the credential's tags could not be read
 */
export function settingsOf(credential: CredentialFacts, policy: Policy): Settings {
  const { sections, ...settings } = policy
  const applying = sections.filter(section => appliesTo(section, credential))
  return Object.assign({ ...settings }, ...applying.map(({ for: _, ...own }) => own))
}

function appliesTo({ for: { prefix, store, tag } }: PolicySection, credential: CredentialFacts): boolean {
  if (store && store !== credential.store) return false
  if (prefix && !credential.name.startsWith(prefix)) return false
  if (!tag) return true
  const value = requireKnown(credential.tags)[tag.key]
  return value !== undefined && (tag.value === undefined || tag.value === value)
}

/**
 * The exception that covers a finding on the day of `moment`, in ISO 8601. If there are several, it is the one that holds longest.
 */
export function exceptionFor(
  { exceptions }: Policy,
  finding: { rule: string; region: string; name: string },
  moment: string,
): PolicyException | undefined {
  const covering = exceptions.filter(
    exception => exception.until >= moment.slice(0, 10) && covers(exception, finding),
  )
  return covering.toSorted((a, b) => b.until.localeCompare(a.until))[0]
}

/** The exceptions that cover none of the findings, or that have ended. */
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
