import type { CredentialRow } from '../../fleet/audit/report.ts'
import { NO_TEAM } from '../../fleet/audit/team.ts'
import { sumAmounts } from '../../fleet/cost/bill.ts'
import type { CostLine, CostReport } from '../../fleet/cost/costReport.ts'

const costLineOf = (
  group: CostLine['group'],
  item: string,
  quantity: number,
  unit: string,
  price: number,
  confirmed = true,
): CostLine => {
  const sum = quantity * price
  return {
    item,
    group,
    region: 'eu-west-1',
    quantity,
    unit,
    price,
    source: confirmed
      ? 'aws.amazon.com/secrets-manager/pricing, 2026-09-14'
      : 'AWS Price List, not confirmed',
    confirmed,
    amount: confirmed ? { confirmed: sum, estimated: 0 } : { confirmed: 0, estimated: sum },
  }
}

/** A made-up cost report for these credentials, as `keyturn audit` puts one into its report. */
export function sampleBillOf(rows: CredentialRow[], moment: string, regions: string[]): CostReport {
  const secrets = rows.filter(({ kind }) => kind === 'primary').length
  const replicas = rows.filter(({ kind }) => kind === 'replica').length
  const lines = [
    costLineOf('secrets', 'Secrets Manager: secrets', secrets, 'secrets', 0.4),
    costLineOf('secrets', 'Secrets Manager: replicas', replicas, 'secrets', 0.4),
    costLineOf('secrets', 'Secrets Manager: calls', 84, '10,000 calls', 0.05, false),
    costLineOf('keys', 'KMS: keys', 2, 'keys', 1),
    costLineOf('keys', 'KMS: requests', 31, '10,000 requests', 0.03, false),
    costLineOf('rotations', 'Step Functions: transitions', 46, '1,000 transitions', 0.025),
    costLineOf('network', 'NAT gateways', 1460, 'hours', 0.048),
    costLineOf('network', 'NAT gateways: data', 22, 'GB', 0.048, false),
  ]
  const total = sumAmounts(lines.map(({ amount }) => amount))
  const rowsByTeam = Map.groupBy(rows, ({ team = NO_TEAM }) => team)
  const monthlyCostOf = (some: CredentialRow[]) => some.reduce((sum, { monthly = 0 }) => sum + monthly, 0)
  return {
    format: 'keyturn-cost/1',
    moment,
    currency: 'USD',
    regions,
    pricesOf: { 'eu-west-1': '2026-09-14', 'eu-central-1': '2026-09-14' },
    lines,
    total,
    byTeam: Object.fromEntries(
      [...rowsByTeam].map(([team, some]) => [team, { confirmed: monthlyCostOf(some), estimated: 0 }]),
    ),
    byCredential: Object.fromEntries(rows.map(({ arn, monthly = 0 }) => [arn, monthly])),
    unread: {
      credentials: Math.round(secrets * 0.09),
      amount: { confirmed: secrets * 0.09 * 0.4, estimated: 0 },
    },
    comparisons: [
      { store: 'secrets-manager', total, losses: [] },
      {
        store: 'parameter-store',
        total: { confirmed: total.confirmed - (secrets + replicas) * 0.4, estimated: total.estimated },
        losses: [
          { what: 'replicas in other Regions', credentials: replicas },
          { what: 'reads from other accounts by a resource policy', credentials: 7 },
          { what: 'values of more than 8 KB', credentials: 2 },
        ],
      },
    ],
    assumptions: [
      'Each read is one call; reads were counted from 2026-11-23 to 2026-11-30 and scaled to a month of 730 hours.',
      'Keyturn runs in a VPC with one NAT gateway in each of two zones.',
      'Free tiers, credits and trials are not taken off.',
    ],
  }
}
