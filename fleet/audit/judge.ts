import type { CostReport } from '../cost/costReport.ts'
import { findingsGoneSince, markNewFindings } from './baseline.ts'
import { isCredential, isPrimary, isSecret } from './credentialKind.ts'
import type { CredentialFacts, Facts } from './facts.ts'
import { AuditedFleet } from './fleet.ts'
import { isKnown, UnreadFact } from './knownFact.ts'
import { describePolicy } from './policy/describePolicy.ts'
import type { Policy } from './policy/policy.ts'
import { exceptionFor } from './policy/settings.ts'
import { type AuditReport, type Finding, type RuleText, SEVERITIES, type Severity } from './report.ts'
import { credentialRowOf, teamIn } from './row.ts'
import { readingRules } from './rules/reading.ts'
import type { RuleBreach } from './rules/rule.ts'
import { credentialRules, regionRules, ruleTexts, worseRuleOf } from './rules/rules.ts'
import { describeScope } from './scope.ts'

/**
 * Judges facts by the rules and a policy. The same facts and policy give the same report. With a `baseline`, the findings of an
 * earlier report, it says what is new, and what is gone.
 */
export function judgeFacts(facts: Facts, policy: Policy, baseline?: Finding[]): AuditReport {
  const fleet = new AuditedFleet(facts, policy)
  const credentials = facts.credentials.filter(credential => isCredential(credential, policy))
  const findings = [...findingsOfRegions(fleet), ...findingsOfCredentials(fleet)]
    .map(finding => applyException(finding, fleet))
    .map(markNewFindings(baseline))
    .toSorted(byWeight)
  const counted = Map.groupBy(
    findings.filter(isCounted),
    ({ region, credential }) => `${region} ${credential?.arn}`,
  )
  return {
    format: 'keyturn-audit/1',
    moment: facts.moment,
    account: facts.account,
    stage: facts.stage,
    regions: Object.keys(facts.regions).sort(),
    scope: describeScope(facts.regions),
    counts: {
      ...countByKind(credentials),
      otherParameters: facts.credentials.length - credentials.length,
      findings: countBySeverity(findings.filter(isCounted)),
      unread: findings.filter(({ status, excepted }) => status === 'unread' && !excepted).length,
      excepted: findings.filter(({ excepted }) => excepted).length,
    },
    policy: describePolicy(policy),
    rules: ruleTexts,
    findings,
    ...(baseline && { gone: findingsGoneSince(baseline, findings, facts) }),
    credentials: credentials.map(credential =>
      credentialRowOf(credential, counted.get(`${credential.region} ${credential.arn}`) ?? [], fleet),
    ),
    days: isKnown(facts.days) ? facts.days.is : [],
    readsKnownSince: Object.fromEntries(
      Object.entries(facts.regions).flatMap(([region, { sweep }]) =>
        isKnown(sweep) ? [[region, sweep.is.completeSince]] : [],
      ),
    ),
  }
}

/** The report with what all of it costs. */
export const addCost = (report: AuditReport, cost: CostReport): AuditReport => ({
  ...report,
  credentials: report.credentials.map(row => {
    const monthly = cost.byCredential[row.arn]
    return monthly === undefined ? row : { ...row, monthly }
  }),
  cost,
})

/** The ARNs of what nobody needs, as nobody but Keyturn reads it. */
export const unreadArnsIn = ({ findings }: AuditReport): Set<string> =>
  new Set(
    findings
      .filter(isCounted)
      .flatMap(({ rule, credential }) => (unreadRuleIds.has(rule) ? (credential?.arn ?? []) : [])),
  )

const unreadRuleIds = new Set(readingRules.map(({ id }) => id))

/** Whether a finding counts: it was found, and no exception covers it. */
export const isCounted = ({ status, excepted }: Finding): boolean => status === 'found' && !excepted

function findingsOfRegions(fleet: AuditedFleet): Finding[] {
  return Object.entries(fleet.facts.regions).flatMap(([region, facts]) =>
    regionRules.flatMap(rule => checkRule(rule, { region }, () => rule.check(region, facts, fleet))),
  )
}

function findingsOfCredentials(fleet: AuditedFleet): Finding[] {
  return fleet.facts.credentials.flatMap(credential => {
    const { store, name, arn, region } = credential
    const team = teamIn(credential, fleet.policy)
    const subject = { region, credential: { store, name, arn }, ...(team && { team }) }
    const its = credentialRules.flatMap(rule => checkRule(rule, subject, () => rule.check(credential, fleet)))
    return its.filter(finding => !isSaidByWorse(finding, its))
  })
}

/** Whether another finding about the same credential says the same and worse, so that it would be told and counted twice. */
const isSaidByWorse = ({ rule }: Finding, its: Finding[]) =>
  its.some(worse => worse.status === 'found' && worse.rule === worseRuleOf.get(rule))

type Subject = Pick<Finding, 'region' | 'credential' | 'team'>

function checkRule(
  { id: rule, severity, unseen = severity }: RuleText & { unseen?: Severity },
  subject: Subject,
  check: () => RuleBreach | undefined,
): Finding[] {
  try {
    const found = check()
    return found ? [{ rule, severity, status: 'found', ...subject, ...found }] : []
  } catch (error) {
    if (!(error instanceof UnreadFact)) throw error
    const { message: detail } = error
    return [{ rule, severity: unseen, status: 'unread', ...subject, detail, remedy: UNREAD_REMEDY }]
  }
}

const UNREAD_REMEDY =
  'If a permission is missing, give the caller the policy of docs/audit.md, "What it needs"; then audit again.'

function applyException(finding: Finding, { policy, facts }: AuditedFleet): Finding {
  const { rule, region, credential } = finding
  const found = exceptionFor(policy, { rule, region, name: credential?.name ?? '' }, facts.moment)
  return found ? { ...finding, excepted: { until: found.until, reason: found.reason } } : finding
}

/** The worst first; then what was found before what could not be read, and by rule, Region and name. */
function byWeight(a: Finding, b: Finding): number {
  return (
    Number(a.excepted !== undefined) - Number(b.excepted !== undefined) ||
    SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
    a.status.localeCompare(b.status) ||
    orderOf(a.rule) - orderOf(b.rule) ||
    compare(a.region, b.region) ||
    compare(a.credential?.name ?? '', b.credential?.name ?? '') ||
    compare(a.credential?.arn ?? '', b.credential?.arn ?? '')
  )
}

const ruleOrder = new Map(ruleTexts.map(({ id }, n) => [id, n]))
const orderOf = (rule: string) => ruleOrder.get(rule) ?? 0
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** How many findings there are of each severity. */
export function countBySeverity(findings: Finding[]): Record<Severity, number> {
  const count = (severity: Severity) => findings.filter(finding => finding.severity === severity).length
  return Object.fromEntries(SEVERITIES.map(severity => [severity, count(severity)])) as Record<
    Severity,
    number
  >
}

function countByKind(credentials: CredentialFacts[]) {
  const secrets = credentials.filter(isSecret)
  const primaries = secrets.filter(isPrimary).length
  return {
    credentials: credentials.length,
    secrets: primaries,
    replicas: secrets.length - primaries,
    parameters: credentials.length - secrets.length,
  }
}
