import type { Facts } from './facts.ts'
import type { Finding } from './report.ts'
import { ruleTexts, worseRuleOf } from './rules/rules.ts'

/** A key that is the same for the same finding in two reports. */
export const findingKeyOf = (finding: Finding): string => `${finding.status} ${subjectOf(finding)}`

/** A key of the rule and of what the finding is about. Whether it was found or could not be read makes no difference. */
const subjectOf = ({ rule, region, credential }: Finding): string =>
  JSON.stringify([rule, region, credential?.store, credential?.arn])

/**
 * Makes a function that sets `isNew` of a finding: whether the finding was not in the baseline, or somebody has access by it who
 * had none in the baseline.
 * @param baseline the findings of an earlier report; without it, findings stay as they are
 */
export function markNewFindings(baseline: Finding[] | undefined): (finding: Finding) => Finding {
  if (!baseline) return finding => finding
  const before = new Map(
    baseline.filter(({ excepted }) => !excepted).map(finding => [findingKeyOf(finding), finding]),
  )
  return finding => {
    const old = before.get(findingKeyOf(finding))
    const isNew = !old || finding.opensTo?.some(whom => !old.opensTo?.includes(whom)) === true
    return { ...finding, isNew: !finding.excepted && isNew }
  }
}

/**
 * The findings of an earlier report that are gone, as they are in that report. A finding is not gone if it is excepted or could not
 * be read now, if a finding of a worse rule includes it now, if its credential was not looked at, or if this version does not have
 * its rule.
 */
export function findingsGoneSince(baseline: Finding[], findings: Finding[], facts: Facts): Finding[] {
  const currentSubjects = new Set(findings.map(subjectOf))
  const isCurrent = (finding: Finding) => {
    const { rule } = finding
    return [rule, worseRuleOf.get(rule) ?? rule].some(rule =>
      currentSubjects.has(subjectOf({ ...finding, rule })),
    )
  }
  const rules = new Set(ruleTexts.map(({ id }) => id))
  const seen = new Set(facts.credentials.map(({ region, arn }) => `${region} ${arn}`))
  const wasLookedAt = ({ region, credential }: Finding) => {
    const regionFacts = Object.hasOwn(facts.regions, region) ? facts.regions[region] : undefined
    if (!regionFacts || !credential || seen.has(`${region} ${credential.arn}`))
      return regionFacts !== undefined
    // A credential that is in no list was deleted, if the list is complete.
    const list = credential.store === 'secrets-manager' ? regionFacts.secrets : regionFacts.parameters
    return 'is' in list && list.is === 'all'
  }
  return baseline
    .filter(({ excepted }) => !excepted)
    .filter(finding => rules.has(finding.rule) && !isCurrent(finding) && wasLookedAt(finding))
    .map(({ isNew: _, ...finding }) => finding)
}
