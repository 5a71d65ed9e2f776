import type { CostReport } from '../cost/costReport.ts'
import { goneSince, marked } from './baseline.ts'
import type { CredentialFacts, Facts } from './facts.ts'
import { Fleet } from './fleet.ts'
import { isCredential, isPrimary, isSecret } from './kind.ts'
import { isKnown, UnreadFact } from './known.ts'
import { lookedAtSays } from './lookedAt.ts'
import type { Policy } from './policy/policy.ts'
import { policySays } from './policy/says.ts'
import { exceptionFor } from './policy/settings.ts'
import { type Finding, type Report, type RuleText, type Severity, severities } from './report.ts'
import { rowOf, teamIn } from './row.ts'
import { reading } from './rules/reading.ts'
import type { Found } from './rules/rule.ts'
import { credentialRules, regionRules, ruleTexts, saidWorseBy } from './rules/rules.ts'

/**
 * Judges facts by the rules and a policy. The same facts and policy give the same report. With a `baseline`, the findings of an
 * earlier report, it says what is new, and what is gone.
 */
export function judge(facts: Facts, policy: Policy, baseline?: Finding[]): Report {
  const fleet = new Fleet(facts, policy)
  const credentials = facts.credentials.filter(credential => isCredential(credential, policy))
  const findings = [...ofRegions(fleet), ...ofCredentials(fleet)]
    .map(finding => withException(finding, fleet))
    .map(marked(baseline))
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
    scope: lookedAtSays(facts.regions),
    counts: {
      ...kinds(credentials),
      otherParameters: facts.credentials.length - credentials.length,
      findings: bySeverity(findings.filter(isCounted)),
      unread: findings.filter(({ status, excepted }) => status === 'unread' && !excepted).length,
      excepted: findings.filter(({ excepted }) => excepted).length,
    },
    policy: policySays(policy),
    rules: ruleTexts,
    findings,
    ...(baseline && { gone: goneSince(baseline, findings, facts) }),
    credentials: credentials.map(credential =>
      rowOf(credential, counted.get(`${credential.region} ${credential.arn}`) ?? [], fleet),
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
export const withCost = (report: Report, cost: CostReport): Report => ({
  ...report,
  credentials: report.credentials.map(row => {
    const monthly = cost.byCredential[row.arn]
    return monthly === undefined ? row : { ...row, monthly }
  }),
  cost,
})

/** The ARNs of what nobody needs, as nobody but Keyturn reads it. */
export const unreadIn = ({ findings }: Report): Set<string> =>
  new Set(
    findings
      .filter(isCounted)
      .flatMap(({ rule, credential }) => (unreadRules.has(rule) ? (credential?.arn ?? []) : [])),
  )

const unreadRules = new Set(reading.map(({ id }) => id))

/** Whether a finding counts: it was found, and no exception covers it. */
export const isCounted = ({ status, excepted }: Finding): boolean => status === 'found' && !excepted

function ofRegions(fleet: Fleet): Finding[] {
  return Object.entries(fleet.facts.regions).flatMap(([region, facts]) =>
    regionRules.flatMap(rule => looked(rule, { region }, () => rule.check(region, facts, fleet))),
  )
}

function ofCredentials(fleet: Fleet): Finding[] {
  return fleet.facts.credentials.flatMap(credential => {
    const { store, name, arn, region } = credential
    const team = teamIn(credential, fleet.policy)
    const subject = { region, credential: { store, name, arn }, ...(team && { team }) }
    const its = credentialRules.flatMap(rule => looked(rule, subject, () => rule.check(credential, fleet)))
    return its.filter(finding => !isSaidByWorse(finding, its))
  })
}

/** Whether another finding about the same credential says the same and worse, so that it would be told and counted twice. */
const isSaidByWorse = ({ rule }: Finding, its: Finding[]) =>
  its.some(worse => worse.status === 'found' && worse.rule === saidWorseBy.get(rule))

type Subject = Pick<Finding, 'region' | 'credential' | 'team'>

function looked(
  { id: rule, severity, unseen = severity }: RuleText & { unseen?: Severity },
  subject: Subject,
  check: () => Found | undefined,
): Finding[] {
  try {
    const found = check()
    return found ? [{ rule, severity, status: 'found', ...subject, ...found }] : []
  } catch (error) {
    if (!(error instanceof UnreadFact)) throw error
    const { message: detail } = error
    return [{ rule, severity: unseen, status: 'unread', ...subject, detail, remedy: LOOK_AGAIN }]
  }
}

const LOOK_AGAIN =
  'If a permission is missing, give the caller the policy of docs/audit.md, "What it needs"; then audit again.'

function withException(finding: Finding, { policy, facts }: Fleet): Finding {
  const { rule, region, credential } = finding
  const found = exceptionFor(policy, { rule, region, name: credential?.name ?? '' }, facts.moment)
  return found ? { ...finding, excepted: { until: found.until, reason: found.reason } } : finding
}

/** The worst first; then what was found before what could not be read, and by rule, Region and name. */
function byWeight(a: Finding, b: Finding): number {
  return (
    Number(a.excepted !== undefined) - Number(b.excepted !== undefined) ||
    severities.indexOf(a.severity) - severities.indexOf(b.severity) ||
    a.status.localeCompare(b.status) ||
    orderOf(a.rule) - orderOf(b.rule) ||
    compare(a.region, b.region) ||
    compare(a.credential?.name ?? '', b.credential?.name ?? '') ||
    compare(a.credential?.arn ?? '', b.credential?.arn ?? '')
  )
}

const order = new Map(ruleTexts.map(({ id }, n) => [id, n]))
const orderOf = (rule: string) => order.get(rule) ?? 0
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** How many findings there are of each severity. */
export function bySeverity(findings: Finding[]): Record<Severity, number> {
  const count = (severity: Severity) => findings.filter(finding => finding.severity === severity).length
  return Object.fromEntries(severities.map(severity => [severity, count(severity)])) as Record<
    Severity,
    number
  >
}

function kinds(credentials: CredentialFacts[]) {
  const secrets = credentials.filter(isSecret)
  const primaries = secrets.filter(isPrimary).length
  return {
    credentials: credentials.length,
    secrets: primaries,
    replicas: secrets.length - primaries,
    parameters: credentials.length - secrets.length,
  }
}
