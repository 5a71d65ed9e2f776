import type { AuditReport } from '../../fleet/audit/report.ts'
import { toCsv } from '../csv.ts'

const COLUMNS = [
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
export function findingsCsv({ findings, rules }: AuditReport): string {
  const titles = new Map(rules.map(({ id, title }) => [id, title]))
  return toCsv(
    COLUMNS,
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
