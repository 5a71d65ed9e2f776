import type { DayOfRotations } from '../../fleet/audit/facts.ts'
import { countBySeverity, isCounted } from '../../fleet/audit/judge.ts'
import {
  type AuditReport,
  type CredentialRow,
  type Finding,
  type RuleText,
  SEVERITIES,
} from '../../fleet/audit/report.ts'
import { DAY_MS } from '../../rotation/timeUnits.ts'
import { sampleBillOf } from './sampleBills.ts'

const AUDIT_TIME = '2026-11-30T06:00:00.000Z'
const ACCOUNT_ID = '123456789012'
const REGIONS = ['eu-west-1', 'eu-central-1']
const TEAMS = ['payments', 'checkout', 'identity', 'search', 'warehouse', 'platform', 'growth', undefined]
const ENGINES = ['postgres', 'mysql', 'redis', 'mongodb']
const STRATEGIES = ['single-user', 'alternating-users', 'dual-password']
const SERVICES = [
  'orders',
  'billing',
  'catalogue',
  'sessions',
  'ledger',
  'mailer',
  'reports',
  'stock',
  'login',
  'feeds',
]
const MAX_AGES_DAYS = [30, 90, 90, 90, 365, undefined]

/**
 * Made-up rules, much like the audit's. Each has the share of credentials for which findingsOf makes a finding by chance. With a share
 * of 0 there are no such findings.
 */
const RULES: (RuleText & { share: number; detail: string; remedy: string })[] = [
  {
    id: 'policy-open-to-everybody',
    title: 'Its resource policy lets everybody in',
    severity: 'critical',
    why: 'Anybody with an AWS account can read the value, and no change of the password ends that.',
    references: ['NIST 800-53 AC-3', 'PCI DSS 7.2.1'],
    share: 0.004,
    detail: 'The statement "Open" allows secretsmanager:GetSecretValue to *.',
    remedy: 'aws secretsmanager get-resource-policy --secret-id NAME --region REGION',
  },
  {
    id: 'older-than-policy',
    title: 'Older than its policy allows',
    severity: 'high',
    why: 'Whoever once saw the value can still use it. A rotation ends that.',
    references: ['Security Hub SecretsManager.4', 'PCI DSS 8.3.9', 'NIST 800-53 IA-5(1)'],
    share: 0,
    detail: '',
    remedy: 'keyturn rotate NAME --region REGION',
  },
  {
    id: 'failing-since',
    title: 'Its rotations fail',
    severity: 'high',
    why: 'The value stays as it is until somebody looks at why.',
    references: [
      'Security Hub SecretsManager.2',
      'AWS Config secretsmanager-scheduled-rotation-success-check',
    ],
    share: 0.03,
    detail: 'The last three rotations failed, the first on 2026-11-19, with Unreachable in setSecret.',
    remedy: 'keyturn show NAME --region REGION',
  },
  {
    id: 'admin-nobody-rotates',
    title: 'An admin that nobody rotates',
    severity: 'high',
    why: 'An admin sets the passwords of all others, and its own never changes.',
    references: ['PCI DSS 8.6.3'],
    share: 0.006,
    detail: 'It is the admin of 41 credentials and has no schedule.',
    remedy:
      'aws secretsmanager tag-resource --secret-id NAME --tags Key=keyturn:every,Value=30d --region REGION',
  },
  {
    id: 'not-read',
    title: 'Nobody has read it for 90 days',
    severity: 'medium',
    why: 'What nobody reads can be stolen and is paid for: delete it, with a recovery window.',
    references: ['Security Hub SecretsManager.3', 'Prowler secretsmanager_secret_unused'],
    share: 0.09,
    detail: 'Keyturn alone has read it since 2026-08-22.',
    remedy: 'aws secretsmanager delete-secret --secret-id NAME --recovery-window-in-days 30 --region REGION',
  },
  {
    id: 'aws-managed-key',
    title: 'Encrypted by the key that AWS manages',
    severity: 'medium',
    why: 'The policy asks for a key of your own, whose use you can limit and end.',
    references: ['AWS Config secretsmanager-using-cmk'],
    share: 0.11,
    detail: 'It has no key of its own; the policy asks for one under prod/.',
    remedy:
      'aws secretsmanager update-secret --secret-id NAME --kms-key-id alias/credentials --region REGION',
  },
  {
    id: 'owner-missing',
    title: 'No owner is named',
    severity: 'low',
    why: 'When it has to be changed at once, nobody knows whom to ask.',
    references: ['Security Hub SecretsManager.5'],
    share: 0.07,
    detail: 'It has no tag owner or team.',
    remedy: 'aws secretsmanager tag-resource --secret-id NAME --tags Key=team,Value=TEAM --region REGION',
  },
  {
    id: 'topic-without-subscriber',
    title: 'The topic of the alarms has no confirmed subscriber',
    severity: 'high',
    why: 'Alarms go to a topic that nobody has subscribed to.',
    references: [],
    share: 0,
    detail: 'keyturn-prod-alarms has no confirmed subscriber.',
    remedy:
      'aws sns subscribe --topic-arn arn:aws:sns:REGION:123456789012:keyturn-prod-alarms --protocol email --notification-endpoint YOU@EXAMPLE.COM --region REGION',
  },
  {
    id: 'replica-behind',
    title: 'A replica does not have the new value',
    severity: 'high',
    why: 'Applications in that Region log in with a password that ends soon.',
    references: [],
    share: 0,
    detail: '',
    remedy: '',
  },
]

/** Makes a generator of numbers from 0 to 1 that depend on the seed alone. */
function makeRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** The time so many days before AUDIT_TIME, as ISO 8601. */
const daysBefore = (days: number) => new Date(Date.parse(AUDIT_TIME) - days * DAY_MS).toISOString()

/**
 * A made-up audit report of so many credentials. It is the same at every call with the same number.
 * @param change called with each credential's row and its index; returns the row to use
 */
export function sampleReportOf(
  count: number,
  change: (row: CredentialRow, index: number) => CredentialRow = row => row,
): AuditReport {
  const random = makeRandom(count)
  const rows = Array.from({ length: count }, (_, index) => change(rowOf(index, random), index))
  const findings = rows.flatMap(row => findingsOf(row, random))
  findings.push(findingOf('topic-without-subscriber', undefined, 'eu-central-1'))
  findings.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity))
  const counted = findings.filter(isCounted)
  const byArn = Map.groupBy(counted, ({ credential }) => credential?.arn)
  for (const row of rows) row.findings = severitiesOf(byArn.get(row.arn) ?? [])
  const countKind = (kind: CredentialRow['kind']) => rows.filter(row => row.kind === kind).length
  return {
    format: 'keyturn-audit/1',
    moment: AUDIT_TIME,
    account: ACCOUNT_ID,
    stage: 'prod',
    regions: REGIONS,
    counts: {
      credentials: count,
      secrets: countKind('primary'),
      replicas: countKind('replica'),
      parameters: countKind('parameter'),
      findings: countBySeverity(counted),
      unread: findings.filter(({ status }) => status === 'unread').length,
      excepted: findings.filter(({ excepted }) => excepted).length,
    },
    rules: RULES.map(({ share: _, detail: __, remedy: ___, ...rule }) => rule),
    findings,
    credentials: rows,
    days: daysOf(count, random),
    readsKnownSince: { 'eu-west-1': '2026-11-23T06:00:00.000Z' },
    cost: sampleBillOf(rows, AUDIT_TIME, REGIONS),
  }
}

function rowOf(index: number, random: () => number): CredentialRow {
  const pick = <Item>(items: Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const kind = random() < 0.45 ? 'parameter' : random() < 0.15 ? 'replica' : 'primary'
  const region = kind === 'replica' ? 'eu-central-1' : pick(['eu-west-1', 'eu-west-1', 'eu-central-1'])
  const service = pick(SERVICES)
  const path = `${pick(['prod', 'prod', 'shared'])}/${service}/${pick(['reader', 'writer', 'job', 'api'])}-${index}`
  const isParameter = kind === 'parameter'
  const arn = isParameter
    ? `arn:aws:ssm:${region}:${ACCOUNT_ID}:parameter/${path}`
    : `arn:aws:secretsmanager:${region}:${ACCOUNT_ID}:secret:${path}-AbCdEf`
  const team = pick(TEAMS)
  const maxAgeDays = pick(MAX_AGES_DAYS)
  const ageDays = Math.floor(
    (maxAgeDays ?? 90) * 2 ** (3.4 * random() ** 0.5 - (random() < 0.12 ? 0.6 : 3.4)),
  )
  const hasRecords = random() < 0.7
  const outcome = random() < 0.04 ? 'failed' : 'rotated'
  return {
    store: isParameter ? 'parameter-store' : 'secrets-manager',
    kind,
    region,
    name: isParameter ? `/${path}` : path,
    arn,
    ...(team && { team }),
    ...(hasRecords && {
      engine: pick(ENGINES),
      strategy: pick(STRATEGIES),
      host: `${service}.cluster-cxyz.${region}.rds.amazonaws.com`,
      lastOutcome: outcome,
      next: daysBefore(-Math.floor(30 * random()) - 1),
    }),
    rotatedAt: daysBefore(ageDays),
    rotatedBy: hasRecords ? 'table' : isParameter ? 'last-changed' : 'version',
    ageDays,
    ...(maxAgeDays && { maxAgeDays }),
    ...(random() < 0.8 && {
      lastRead: random() < 0.1 ? 'never' : daysBefore(Math.floor(9 * random())).slice(0, 10),
    }),
    monthly: isParameter ? 0 : 0.4,
    findings: {},
  }
}

function findingsOf(row: CredentialRow, random: () => number): Finding[] {
  if (row.kind === 'replica') return []
  const found = RULES.filter(({ share }) => random() < share).map(({ id }) => findingOf(id, row, row.region))
  if (row.ageDays !== undefined && row.maxAgeDays !== undefined && row.ageDays > row.maxAgeDays)
    found.push({
      ...findingOf('older-than-policy', row, row.region),
      detail: `Its version is ${row.ageDays} days old; the policy allows ${row.maxAgeDays}. Last rotated on ${row.rotatedAt?.slice(0, 10)}.`,
    })
  return found.map(finding => {
    if (random() < 0.03)
      return { ...finding, status: 'unread', detail: 'AccessDenied by secretsmanager:GetResourcePolicy.' }
    if (random() < 0.03)
      return {
        ...finding,
        excepted: { until: '2027-01-31', reason: 'It moves to IAM authentication in January.' },
      }
    return random() < 0.1 ? { ...finding, isNew: true } : finding
  })
}

function findingOf(rule: string, row: CredentialRow | undefined, region: string): Finding {
  const { severity, detail, remedy } = RULES.find(({ id }) => id === rule) ?? {
    severity: 'low',
    detail: '',
    remedy: '',
  }
  return {
    rule,
    severity,
    status: 'found',
    region,
    ...(row && { credential: { store: row.store, name: row.name, arn: row.arn } }),
    ...(row?.team && { team: row.team }),
    detail,
    remedy: remedy.replace('NAME', row?.name ?? '').replaceAll('REGION', region),
  }
}

/** How many findings of each severity a row's credential has. A severity without a finding is left out. */
function severitiesOf(findings: Finding[]): CredentialRow['findings'] {
  const counts: CredentialRow['findings'] = {}
  for (const { severity } of findings) counts[severity] = (counts[severity] ?? 0) + 1
  return counts
}

function daysOf(count: number, random: () => number): DayOfRotations[] {
  return Array.from({ length: 90 }, (_, n) => ({
    day: daysBefore(90 - n).slice(0, 10),
    rotated: Math.round((count / 60) * (0.6 + 0.8 * random())),
    failed: random() < 0.6 ? 0 : Math.round((count / 900) * 4 * random()),
    medianMilliseconds: Math.round(2200 + 900 * Math.sin(n / 9) + 600 * random()),
  }))
}
