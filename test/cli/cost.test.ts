import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type CostCommandOptions, runCostCommand } from '../../cli/commands/cost.ts'
import { makeContext } from '../../cli/context.ts'
import { CommandError } from '../../cli/exit.ts'
import { bundledPrices } from '../../fleet/cost/prices.ts'
import { type AuditedAccount, startAuditedAccount } from '../../local/aws/audited.ts'
import type { LocalService } from '../../local/aws/localService.ts'
import { type DeclaredProduct, startPriceList } from '../../local/aws/priceList.ts'
import { commandEnvironment, runCommand } from './account.ts'

const moment = '2026-11-30T12:00:00.000Z'
let account: AuditedAccount
let priceList: LocalService
let folder: string

/** Products of the Price List here: it has a price for the first two of all that is billed, and the third is ambiguous. */
const products: DeclaredProduct[] = [
  {
    service: 'AWSSecretsManager',
    region: 'us-east-1',
    family: 'Secret',
    usage: 'USE1-AWSSecretsManager-Secrets',
    unit: 'Secrets',
    prices: [{ usd: '0.5000000000' }],
  },
  {
    service: 'AWSSecretsManager',
    region: 'us-east-1',
    family: 'API Request',
    usage: 'USE1-AWSSecretsManagerAPIRequest',
    prices: [{ usd: '0' }, { from: 100, usd: '0.0000060000' }],
  },
  {
    service: 'AWSSystemsManager',
    region: 'us-east-1',
    usage: 'USE1-PS-Advanced-Param-Tier1',
    unit: 'Hrs',
    prices: [{ usd: '0.0000684932' }],
  },
  ...['0.10', '0.20'].map(usd => ({
    service: 'AmazonEC2',
    region: 'us-east-1',
    family: 'NAT Gateway',
    usage: 'NatGateway-Hours',
    prices: [{ usd }],
  })),
  {
    service: 'AmazonEC2',
    region: 'us-east-1',
    family: 'Compute Instance',
    usage: 'NatGateway-Hours',
    prices: [{ usd: '9' }],
  },
  { service: 'awskms', region: 'eu-west-1', usage: 'eu-west-1-KMS-Keys', prices: [{ usd: '7' }] },
]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyturn-cost-'))
  priceList = await startPriceList(products)
  account = await startAuditedAccount({
    moment,
    regions: {
      'us-east-1': {
        secrets: [
          { name: 'shop/database', tags: { team: 'shop' }, rotation: { everyDays: 30 } },
          { name: '=cmd|calc', tags: { team: '\u001b[2Jpayments' } },
        ],
        events: [1, 2, 3].map(day => ({
          eventName: 'GetSecretValue',
          eventSource: 'secretsmanager.amazonaws.com',
          eventTime: `2026-11-2${day + 4}T10:00:00Z`,
          userIdentity: { type: 'IAMUser', arn: 'arn:aws:iam::123456789012:user/reader' },
          requestParameters: { secretId: 'shop/database' },
        })),
        parameters: [{ name: '/shop/token', tier: 'Advanced', tags: { team: 'shop' } }],
      },
    },
  })
})
afterAll(async () => {
  await account?.stop()
  await priceList?.stop()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => account.refuse())
afterEach(() => vi.unstubAllEnvs())

type Asked = Partial<CostCommandOptions>

/** Runs the command in this process, on a terminal of so many columns, or into a pipe. */
async function bill(
  asked: Asked = {},
  { json = false, columns = 0, url = account.url, region = 'us-east-1' } = {},
) {
  const settings = commandEnvironment(url, { AWS_REGION: region, AWS_ENDPOINT_URL_PRICING: priceList.url })
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value)
  const printed = { out: '', err: '' }
  const stream = (name: keyof typeof printed) => ({
    write: (text: string) => (printed[name] += text),
    ...(columns && { isTTY: true, columns }),
  })
  const streams = { stdin: process.stdin, stdout: stream('out'), stderr: stream('err') as never }
  const context = makeContext({ json }, streams, { NO_COLOR: '1' })
  const code = await runCostCommand(context, { zones: 2, throughput: 'standard', readsBudget: 60, ...asked })
  return { code, ...printed }
}
async function json(asked: Asked = {}) {
  const { out, err } = await bill(asked, { json: true })
  return { report: JSON.parse(out), err }
}
const problemOf = async (asked: Asked, more = {}) => {
  const error = await bill(asked, more).catch(error => error)
  expect(error).toBeInstanceOf(CommandError)
  return error as CommandError
}
const total = (lines: { item: string; amount: object }[], item: string) =>
  lines.find(line => line.item === item)?.amount

test('a bill says what there is, what it costs, and on which assumptions', async () => {
  const env = commandEnvironment(account.url, { AWS_REGION: 'us-east-1' })
  const { code, stdout, stderr } = await runCommand(['cost', '--reads-per-day', '100'], env)
  expect(code, stderr).toBe(0)
  expect(stderr).toContain('2 Secrets Manager DescribeSecret')
  expect(stdout).toMatch(
    /^\$1\.\d\d and ~\$\d\.\d\d a month, as of 2026-11-30; prices of us-east-1 2026-11-30\n/,
  )
  expect(stdout).toMatch(/^Secrets +2 +secret +~0\.4 +~0\.80$/m)
  expect(stdout).toMatch(/^Advanced parameters +1 +parameter +~0\.05 +~0\.05$/m)
  expect(stdout).toMatch(/^Traces +0\.0029\d +million traces +5 +~0\.01$/m)
  expect(stdout).toMatch(/^\d+ more, each less than a cent +(0\.00 )?~0\.0\d$/m)
  expect(stdout).toMatch(/^payments +~0\.42$/m)
  expect(stdout).toContain('if all were in Parameter Store')
  expect(stdout).toContain(
    'No network is counted. For functions in a VPC, NAT gateways in 2 zones would cost $65.70',
  )
  expect(stdout).toContain('Each credential is read 100 times a day, as was said.')
  expect(stdout).not.toContain('\u001b')
  const asked = new Set(account.calls.map(({ action }) => action))
  expect([...asked].filter(action => /Value|^GetParameter|Decrypt/.test(action))).toEqual([])
})

test('a bill fits a terminal of 80 columns, and the text of a tag cannot move the cursor', async () => {
  const { out } = await bill({ against: 'parameter-store' }, { columns: 80 })
  const lines = out.split('\n')
  expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(80)
  expect(lines.length).toBeGreaterThan(40)
  expect(out).not.toContain('\u001b')
})

test('with the option, CloudTrail says how often each credential is read', async () => {
  const { report } = await json({ reads: 7 * 86_400 })
  const reads = report.lines.find(({ item }: { item: string }) => item === 'Reads of secrets')
  // Three reads in a week, none of them by Keyturn.
  expect(reads.quantity).toBeCloseTo((3 / 7) * (730 / 24) * 1e-4, 6)
  expect(reads.amount.confirmed).toBe(0)
  // Nobody reads the other secret and the parameter.
  expect(report.unread.credentials).toBe(2)
  expect(report.assumptions.join(' ')).toContain('scaled up to a month: an estimate')
})

test('a change is shown with its difference, apart from everything else', async () => {
  const { out: stdout } = await bill({ against: 'parameter-store', credits: 3, freeTier: true, trial: true })
  expect(stdout).toMatch(
    /^With all credentials in Parameter Store: \$\d\.\d\d and ~\$\d\.\d\d a month, about \$0\.8\d less$/m,
  )
  expect(stdout).toMatch(/^- Credits: \$3\.00$/m)
  expect(stdout).toMatch(/^- Free each month: 3 dashboards: ~\$3\.00$/m)
  expect(stdout).toMatch(/^- Trial: over,/m)
})

test('another network is a change too', async () => {
  const { report } = await json({ network: 'endpoints', networkInstead: 'nat' })
  expect(total(report.lines, 'Interface endpoints')).toEqual({ confirmed: 0, estimated: 43.8 })
  expect(total(report.change.lines, 'NAT gateways')).toEqual({ confirmed: 0, estimated: 65.7 })
  expect(report.change.what).toEqual(['NAT gateways'])
})

test('the CSV file has no text that runs as a formula, has each credential’s team, and is private', async () => {
  const file = join(folder, 'bill.csv')
  const { report } = await json({ csv: file })
  const text = await readFile(file, 'utf8')
  expect(text).toContain(`"credential","'=cmd|calc","payments"`)
  expect(text).toContain(`"credential","shop/database","shop"`)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const rows = text.split('\r\n').filter(row => row.startsWith('"line"'))
  expect(rows).toHaveLength(report.lines.length)
  for (const row of rows) expect(row).toMatch(/"2026-11-30","2026-11-30T12:00:00.000Z"$/)
})

describe('prices', () => {
  test('are read from the Price List into a file, and from that file from then on', async () => {
    const file = join(folder, 'prices.json')
    const { report, err } = await json({ refresh: true, prices: file })
    expect(total(report.lines, 'Secrets')).toEqual({ confirmed: 1, estimated: 0 })
    const [list] = JSON.parse(await readFile(file, 'utf8'))
    expect(list.prices.secret).toMatchObject({ price: 0.5, confirmed: true, date: '2026-11-30' })
    expect(list.prices.secretCalls.price).toBe(0.06)
    expect(list.prices.advancedParameter.price).toBeCloseTo(0.05, 6)
    // A product with two prices or none keeps its old price, and is no longer confirmed.
    expect(list.prices.natHours).toMatchObject({ price: 0.045, confirmed: false })
    expect(list.prices.key).toMatchObject({ price: 1, confirmed: false })
    expect(err).toMatch(/no clear price in us-east-1 of: .*\bkey\b.*\bnatHours\b/s)
    const again = await json({ prices: file })
    expect(again.report.total).toEqual(report.total)
  })

  test('that are refreshed keep contract prices in the file, unless the list has others', async () => {
    const file = join(folder, 'contract.json')
    const [own, there] = [bundledPrices['us-east-1'], bundledPrices['eu-west-1']]
    const key = { price: 0.7, confirmed: true, source: 'our contract', date: '2026-01-01' }
    await writeFile(file, JSON.stringify([there, { ...own, prices: { ...own?.prices, key } }]))
    await json({ refresh: true, prices: file })
    const lists = JSON.parse(await readFile(file, 'utf8'))
    expect(lists.map(({ region }: { region: string }) => region)).toEqual(['eu-west-1', 'us-east-1'])
    expect(lists[0]).toEqual(there)
    expect(lists[1].prices.key).toEqual({ ...key, confirmed: false })
  })

  test.each([
    ['no file', undefined, 'it cannot be read: there is no such file'],
    ['no JSON', 'prices', 'it is not JSON'],
    ['no list', '{}', 'Invalid type: Expected Array'],
    [
      'a price that is a text',
      '[{"region":"us-east-1","currency":"USD","date":"2026-11-30","prices":{"secret":{"price":"1"}}}]',
      '0.prices.secret.price: Invalid type: Expected number but received "1"',
    ],
  ])('a file with %s is refused with a message', async (_, text, problem) => {
    const file = join(folder, `${problem.length}.json`)
    if (text) await writeFile(file, text)
    const { code, message, remedy } = await problemOf({ prices: file })
    expect(code).toBe(2)
    expect(message).toContain(problem)
    expect(remedy).toContain('keyturn cost --refresh --prices FILE')
  })

  test('of a Region without prices are asked for', async () => {
    const other = await startAuditedAccount({
      moment,
      regions: { 'sa-east-1': { secrets: [{ name: 'a' }] } },
    })
    const { code, message, remedy } = await problemOf({}, { url: other.url, region: 'sa-east-1' })
    await other.stop()
    expect(code).toBe(2)
    expect(message).toContain('no prices of the Region sa-east-1, only of eu-central-1')
    expect(remedy).toContain('keyturn cost --refresh --prices FILE')
  })

  test('need a file that can be written', async () => {
    const before = account.calls.length
    expect(await problemOf({ refresh: true })).toMatchObject({ code: 2 })
    expect(account.calls).toHaveLength(before)
    const device = join(folder, 'device')
    await symlink('/dev/null', device)
    for (const place of [folder, device]) {
      expect(await problemOf({ refresh: true, prices: place })).toMatchObject({ code: 2 })
      expect(await problemOf({ csv: place })).toMatchObject({ code: 2 })
    }
    expect(account.calls).toHaveLength(before)
  })
})

test('the bill says what may not be read, and does not count it as nothing', async () => {
  account.refuse(({ action }) => (action === 'ListSecrets' ? { name: 'AccessDeniedException' } : undefined))
  const { report } = await json()
  expect(report.assumptions[0]).toMatch(/^Secrets of us-east-1 may be missing: .*AccessDenied/)
})
