import type { Facts } from './facts.ts'
import type { Finding } from './report.ts'
import { ruleTexts, worseRuleOf } from './rules/rules.ts'

/** What makes two findings of two reports the same. */
export const findingKeyOf = (finding: Finding): string => `${finding.status} ${subjectOf(finding)}`

/** The rule and what it is about, whether that was found or could not be read. */
const subjectOf = ({ rule, region, credential }: Finding): string =>
  JSON.stringify([rule, region, credential?.store, credential?.arn])

/**
 * Says of a finding whether it is new since the findings of an earlier report, as is one that lets in somebody more; without one it
 * says nothing.
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
 * The findings of an earlier report that are there no more, as they stood in it. What could not be read now, is excepted now, or
 * was not looked at, is not gone; nor is that of a rule which this version does not have.
 */
export function findingsGoneSince(baseline: Finding[], findings: Finding[], facts: Facts): Finding[] {
  const still = new Set(findings.map(subjectOf))
  const isStill = (finding: Finding) => {
    const { rule } = finding
    return [rule, worseRuleOf.get(rule) ?? rule].some(rule => still.has(subjectOf({ ...finding, rule })))
  }
  const rules = new Set(ruleTexts.map(({ id }) => id))
  const seen = new Set(facts.credentials.map(({ region, arn }) => `${region} ${arn}`))
  const wasLookedAt = ({ region, credential }: Finding) => {
    const there = Object.hasOwn(facts.regions, region) ? facts.regions[region] : undefined
    if (!there || !credential || seen.has(`${region} ${credential.arn}`)) return there !== undefined
    const list = credential.store === 'secrets-manager' ? there.secrets : there.parameters
    return 'is' in list && list.is === 'all'
  }
  return baseline
    .filter(({ excepted }) => !excepted)
    .filter(finding => rules.has(finding.rule) && !isStill(finding) && wasLookedAt(finding))
    .map(({ isNew: _, ...finding }) => finding)
}
