import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AuditReport } from '../../../fleet/audit/report.ts'
import { type AuditedAccount, startAuditedAccount } from '../../../local/aws/audited.ts'
import { ago, dayAgo, enrolled, HERE, MOMENT, told } from '../../fleet/audit/facts.ts'
import { commandEnvironment, runCommand } from '../account.ts'

const folder = mkdtempSync(join(tmpdir(), 'keyturn-'))
const well = {
  created: ago(400),
  changed: ago(11),
  accessed: dayAgo(1),
  tags: enrolled,
  rotations: [{ began: ago(10), outcome: 'rotated' as const, retirement: 'closed' as const }],
}
let account: AuditedAccount

beforeAll(async () => {
  account = await startAuditedAccount({
    moment: MOMENT,
    regions: {
      [HERE]: {
        secrets: [
          { name: 'shop/well', ...well },
          {
            name: 'shop/open',
            ...well,
            policy: { Statement: { Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' } },
          },
        ],
        parameters: [{ name: '/shop/password', type: 'String' }],
      },
    },
  })
})
afterAll(async () => {
  await account.stop()
  rmSync(folder, { recursive: true })
})

test('one call audits an account, and writes the report in every form', async () => {
  const [html, csv] = [join(folder, 'audit.html'), join(folder, 'findings.csv')]
  const { code, stdout, stderr } = await runCommand(
    ['audit', '--json', '--html', html, '--csv', csv, '--fail-on', 'critical'],
    commandEnvironment(account.url),
  )
  expect([code, stderr]).toEqual([5, expect.stringContaining(`Written: ${html}`)])
  const report = JSON.parse(stdout) as AuditReport
  const schema = JSON.parse(readFileSync(new URL('../../../docs/audit.schema.json', import.meta.url), 'utf8'))
  const hasForm = new Ajv2020().compile(schema)
  expect([hasForm(report), hasForm.errors]).toEqual([true, null])
  expect(report.moment).toBe(MOMENT)
  expect(report.findings.map(told)).toEqual(['open-to-everybody shop/open', 'plain-string /shop/password'])
  expect(readFileSync(html, 'utf8')).toContain('shop/open')
  expect(readFileSync(csv, 'utf8')).toContain('"open-to-everybody"')
})

test('what AWS refuses is reported and fails --fail-on, and a stage that does not exist ends the audit at once', async () => {
  account.refuse(({ action }) =>
    action === 'Scan' || action === 'LookupEvents' ? { name: 'AccessDeniedException' } : undefined,
  )
  const policy = join(folder, 'policy.yml')
  writeFileSync(
    policy,
    'exceptions: [{ rule: open-to-everybody, name: "*", until: 2027-01-01, reason: no matter here }]',
  )
  const { code, stdout } = await runCommand(
    ['audit', '--fail-on', 'critical', '--policy', policy],
    commandEnvironment(account.url),
  )
  account.refuse()
  expect(code).toBe(5)
  expect(stdout).toMatch(/not known {2}DynamoDB Scan: AccessDenied\n.*Not checked for .*locked-out/)
  expect(stdout).toContain(
    'Readers are not known: CloudTrail was not asked, refused the calls, or lists no read although rotations have read values.',
  )
  const none = await runCommand(['audit', '--stage', 'none'], commandEnvironment(account.url))
  expect([none.code, none.stdout]).toEqual([2, ''])
  expect(none.stderr).toContain('there is no stack of the stage none')
})
