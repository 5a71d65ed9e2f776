import type { Report } from '../../fleet/audit/report.ts'
import { csv } from '../csv.ts'

const head = [
  'severity',
  'rule',
  'title',
  'status',
  'region',
  'store',
  'name',
  'arn',
  'team',
  'detail',
  'remedy',
  'excepted until',
  'reason',
  'new',
]

/** The findings of a report as CSV, in the report's order. */
export function findingsTable({ findings, rules }: Report): string {
  const titles = new Map(rules.map(({ id, title }) => [id, title]))
  return csv(
    head,
    findings.map(({ severity, rule, status, region, credential, team, detail, remedy, excepted, isNew }) => [
      severity,
      rule,
      titles.get(rule),
      status,
      region,
      credential?.store,
      credential?.name,
      credential?.arn,
      team,
      detail,
      remedy,
      excepted?.until,
      excepted?.reason,
      isNew,
    ]),
  )
}
