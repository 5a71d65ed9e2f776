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
 * Judges facts by the rules and a policy. The same facts and policy give the same report.
 * @param baseline the findings of an earlier report; with it, the report tells which findings are new and which are gone
 */
export function judgeFacts(facts: Facts, policy: Policy, baseline?: Finding[]): AuditReport {
  const fleet = new AuditedFleet(facts, policy)
  const credentials = facts.credentials.filter(credential => isCredential(credential, policy))
  const findings = [...findingsOfRegions(fleet), ...findingsOfCredentials(fleet)]
    .map(finding => applyException(finding, fleet))
    .map(markNewFindings(baseline))
    .toSorted(byWeight)
  const countedBySubject = Map.groupBy(
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
      credentialRowOf(
        credential,
        countedBySubject.get(`${credential.region} ${credential.arn}`) ?? [],
        fleet,
      ),
    ),
    days: isKnown(facts.days) ? facts.days.is : [],
    readsKnownSince: Object.fromEntries(
      Object.entries(facts.regions).flatMap(([region, { sweep }]) =>
        isKnown(sweep) ? [[region, sweep.is.completeSince]] : [],
      ),
    ),
  }
}

/** The report with the cost of the fleet, and of each credential. */
export const addCost = (report: AuditReport, cost: CostReport): AuditReport => ({
  ...report,
  credentials: report.credentials.map(row => {
    const monthly = cost.byCredential[row.arn]
    return monthly === undefined ? row : { ...row, monthly }
  }),
  cost,
})

/** The ARNs of the credentials that nobody but Keyturn reads, by the report's findings. */
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
    const found = credentialRules.flatMap(rule =>
      checkRule(rule, subject, () => rule.check(credential, fleet)),
    )
    return found.filter(finding => !isIncludedInWorse(finding, found))
  })
}

/** Whether a worse finding about the same credential includes this one, so that both would report the same. */
const isIncludedInWorse = ({ rule }: Finding, all: Finding[]) =>
  all.some(worse => worse.status === 'found' && worse.rule === worseRuleOf.get(rule))

/** What a finding is about. */
type Subject = Pick<Finding, 'region' | 'credential' | 'team'>

/** Checks a rule. @returns none, or one finding: what breaks the rule, or which fact could not be read */
function checkRule(
  { id: rule, severity, unreadSeverity = severity }: RuleText & { unreadSeverity?: Severity },
  subject: Subject,
  check: () => RuleBreach | undefined,
): Finding[] {
  try {
    const found = check()
    return found ? [{ rule, severity, status: 'found', ...subject, ...found }] : []
  } catch (error) {
    if (!(error instanceof UnreadFact)) throw error
    const { message: detail } = error
    return [{ rule, severity: unreadSeverity, status: 'unread', ...subject, detail, remedy: UNREAD_REMEDY }]
  }
}

const UNREAD_REMEDY =
  'If a permission is missing, give the caller the policy of docs/audit.md, "What it needs"; then audit again.'

/** Marks a finding as excepted, if the policy has an exception for it. */
function applyException(finding: Finding, { policy, facts }: AuditedFleet): Finding {
  const { rule, region, credential } = finding
  const exception = exceptionFor(policy, { rule, region, name: credential?.name ?? '' }, facts.moment)
  if (!exception) return finding
  return { ...finding, excepted: { until: exception.until, reason: exception.reason } }
}

/** Orders findings: excepted ones last; the worst first; found before unread; then by rule, Region and name. */
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
