import * as v from 'valibot'
import { STORE_NAMES } from '../../rotation/stores/store.ts'
import { COST_GROUPS } from '../cost/costReport.ts'
import { type AuditReport, SEVERITIES } from './report.ts'

const count = v.pipe(v.number(), v.integer(), v.minValue(0))
const text = v.string()
const time = v.pipe(v.string(), v.description('ISO 8601, in UTC'))
const severity = v.picklist(SEVERITIES)
const store = v.picklist(STORE_NAMES)
const amount = v.pipe(
  v.object({ confirmed: v.number(), estimated: v.number() }),
  v.description('US dollars a month'),
)
const bySeverity = Object.fromEntries(SEVERITIES.map(name => [name, count])) as Record<
  (typeof SEVERITIES)[number],
  typeof count
>

const finding = v.object({
  rule: v.pipe(text, v.description("The id of one of the report's rules")),
  severity,
  status: v.pipe(
    v.picklist(['found', 'unread']),
    v.description('unread: the rule could not be checked, as a fact that it needs could not be read'),
  ),
  region: text,
  credential: v.exactOptional(v.object({ store, name: text, arn: text })),
  team: v.exactOptional(text),
  detail: text,
  opensTo: v.exactOptional(v.pipe(v.array(text), v.description('For a rule about access: who has access'))),
  remedy: v.pipe(text, v.description('A command to paste, or a sentence where no command helps')),
  excepted: v.exactOptional(v.object({ until: text, reason: text })),
  isNew: v.exactOptional(
    v.pipe(
      v.boolean(),
      v.description('With a baseline: whether the finding, or somebody in opensTo, is not in it'),
    ),
  ),
})

const row = v.object({
  store,
  kind: v.picklist(['primary', 'replica', 'parameter']),
  region: text,
  name: text,
  arn: text,
  team: v.exactOptional(text),
  engine: v.exactOptional(text),
  strategy: v.exactOptional(text),
  host: v.exactOptional(text),
  rotatedAt: v.exactOptional(time),
  rotatedBy: v.exactOptional(
    v.pipe(
      v.picklist(['table', 'version', 'last-rotated', 'last-changed']),
      v.description('Where the date of rotatedAt comes from'),
    ),
  ),
  ageDays: v.exactOptional(
    v.pipe(
      v.number(),
      v.description('Whole days; hundredths of a day where the allowed age is no whole number of days'),
    ),
  ),
  maxAgeDays: v.exactOptional(v.number()),
  next: v.exactOptional(time),
  lastOutcome: v.exactOptional(text),
  lastRead: v.exactOptional(
    v.pipe(text, v.description('A day, or never: not in the time that was looked at; left out: not known')),
  ),
  monthly: v.exactOptional(v.pipe(v.number(), v.description('US dollars a month'))),
  findings: v.object(
    Object.fromEntries(SEVERITIES.map(name => [name, v.exactOptional(count)])) as Record<
      (typeof SEVERITIES)[number],
      v.ExactOptionalSchema<typeof count, undefined>
    >,
  ),
})

const line = v.object({
  item: text,
  group: v.picklist(COST_GROUPS),
  region: text,
  quantity: v.number(),
  unit: text,
  price: v.number(),
  source: text,
  confirmed: v.boolean(),
  amount,
})

const cost = v.object({
  format: v.literal('keyturn-cost/1'),
  moment: time,
  currency: v.literal('USD'),
  regions: v.array(text),
  pricesOf: v.record(text, text),
  lines: v.array(line),
  total: amount,
  byTeam: v.record(text, amount),
  byCredential: v.record(text, v.number()),
  unread: v.object({ credentials: count, amount }),
  comparisons: v.array(
    v.object({
      store,
      total: amount,
      losses: v.array(v.object({ what: text, credentials: v.exactOptional(count) })),
    }),
  ),
  change: v.exactOptional(v.object({ what: v.array(text), lines: v.array(line), total: amount })),
  deductions: v.exactOptional(v.array(v.object({ what: text, amount }))),
  assumptions: v.array(text),
})

/** The schema of a report as `keyturn audit --json` prints it. Later releases may add fields to it, but remove none. */
export const reportSchema = v.object({
  format: v.literal('keyturn-audit/1'),
  moment: v.pipe(text, v.description("When the audit began, by AWS's clock: ISO 8601, in UTC")),
  account: text,
  stage: text,
  regions: v.array(text),
  scope: v.exactOptional(
    v.pipe(
      text,
      v.description('Which Regions were looked at, in which at replicas alone, and that no other was'),
    ),
  ),
  counts: v.object({
    credentials: count,
    secrets: count,
    replicas: count,
    parameters: count,
    otherParameters: v.exactOptional(
      v.pipe(
        count,
        v.description('Parameters that hold no credential: they are in none of the other numbers'),
      ),
    ),
    findings: v.object(bySeverity),
    unread: count,
    excepted: count,
  }),
  policy: v.exactOptional(
    v.pipe(text, v.description('What the policy asks of a credential for which it has no section')),
  ),
  rules: v.array(v.object({ id: text, title: text, severity, why: text, references: v.array(text) })),
  findings: v.array(finding),
  gone: v.exactOptional(
    v.pipe(
      v.array(finding),
      v.description('With a baseline: the findings of the baseline that are gone, as they stood in it'),
    ),
  ),
  credentials: v.array(row),
  days: v.array(
    v.object({
      day: text,
      rotated: count,
      failed: count,
      medianMilliseconds: v.exactOptional(v.number()),
    }),
  ),
  readsKnownSince: v.pipe(
    v.record(text, time),
    v.description('By Region: the time since which every read is known; left out: not known'),
  ),
  cost: v.exactOptional(cost),
}) satisfies v.GenericSchema<AuditReport>
