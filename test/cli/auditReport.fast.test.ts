import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type AuditOptions, runAuditCommand } from '../../cli/commands/audit.ts'
import type { Context } from '../../cli/context.ts'
import { EXIT } from '../../cli/exit.ts'
import { Output, sanitize } from '../../cli/output.ts'
import type { Facts } from '../../fleet/audit/facts.ts'
import type { AuditReport } from '../../fleet/audit/report.ts'
import { enrolled, factsOf, neverRead, openToAll, parameter, secret } from '../fleet/audit/facts.ts'

const folder = mkdtempSync(join(tmpdir(), 'keyturn-'))
afterAll(() => rmSync(folder, { recursive: true }))
const inFolder = (name: string, text?: string) => {
  const path = join(folder, name)
  if (text !== undefined) writeFileSync(path, text)
  return path
}

/** Runs the audit of these facts, as with a stack in this account. @returns its code, what it printed, and whether it closed its journal */
async function run(facts: Facts, given: Partial<AuditOptions> = {}, { json = false, columns = 80 } = {}) {
  const seen = { out: '', err: '', closed: false }
  const stream = (name: 'out' | 'err') => ({
    write: (text: string) => (seen[name] += text),
    isTTY: true,
    columns,
  })
  const outputs = {
    Stage: 'dev',
    Version: '0.1.0',
    RotateStateMachineArn: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-dev-rotate',
    RotateSecretFunctionArn: 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-dev-rotateSecret',
  }
  const Outputs = Object.entries(outputs).map(([OutputKey, OutputValue]) => ({ OutputKey, OutputValue }))
  const { CloudFormationClient } = await import('@aws-sdk/client-cloudformation')
  const client = new CloudFormationClient({ region: 'eu-west-1' })
  client.send = async () => ({ Stacks: [{ StackName: 'keyturn-dev', Outputs }] }) as never
  // A Region that AWS does not have has no host. A refused connection is no answer to that question, so the Region is taken.
  const elsewhere = (region: string) => ({
    cloudFormation: async () => {
      const code = region === 'eu-wst-1' ? 'ENOTFOUND' : 'ECONNREFUSED'
      throw Object.assign(new Error(code), { code })
    },
  })
  const context = {
    stage: 'dev',
    json,
    clients: { cloudFormation: async () => client, forRegion: elsewhere },
    output: new Output(stream('out'), stream('err'), { NO_COLOR: '1' }),
  } as unknown as Context
  const journal = { close: () => (seen.closed = true) }
  const options: AuditOptions = { reads: 604_800, readsBudget: 300, most: 5, ...given }
  const code = await runAuditCommand(context, options, {
    gatherFacts: async () => ({ facts, journal }),
    renderPage: async ({ stage }) => `<!doctype html>${stage}`,
  })
  return { code, ...seen }
}

const ownerless = (name: string) => secret(name, { tags: { is: { ...enrolled, team: '' } } })
const open = secret('shop/open', { policy: openToAll })

describe('on a terminal', () => {
  test('the worst finding comes first, and only commands are wider than 80 columns', async () => {
    const { code, out, err, closed } = await run(factsOf([ownerless('shop/a'), open, neverRead('shop/b')]))
    expect([code, closed]).toEqual([EXIT.done, true])
    expect(out).toMatch(
      /critical {2}Its resource policy lets in everybody[\s\S]*medium {2}Nobody has[\s\S]*low {2}/,
    )
    expect(out).toContain('1 critical, 1 medium, 1 low')
    expect(out).toContain(
      '\n    aws secretsmanager get-resource-policy --region eu-west-1 --secret-id shop/open\n',
    )
    const wide = out.split('\n').filter(line => line.length > 80)
    expect(wide.filter(line => !/^ +(aws|keyturn|npx) /.test(line))).toEqual([])
    expect(err).toMatch(/^No --policy, so by default: a value may be 90 days old/)
  })

  test('each Region has a line about reads, and the commands of remedies are indented alike, of one finding and of several', async () => {
    const facts = factsOf([open, neverRead('shop/b'), neverRead('shop/c')], {
      there: { sweep: { unread: 'CloudTrail LookupEvents: AccessDenied' } },
    })
    const { out } = await run(facts)
    expect(out).toContain(
      '\nReaders:\n  eu-central-1: not known\n  eu-west-1: known since 2026-11-23 12:00 UTC\n',
    )
    const commands = out.split('\n').filter(line => /^ +(aws|keyturn) /.test(line))
    expect(commands.map(line => line.search(/\S/))).toEqual([4, 4, 4])
    const only = { 'eu-west-1': facts.regions['eu-west-1'] } as Facts['regions']
    const alone = await run({ ...facts, regions: only })
    expect(alone.out).toContain('\nReaders are known since 2026-11-23 12:00 UTC.\n')
  })

  test('five thousand findings of one rule take a few lines, which say how many more there are', async () => {
    const all = Array.from({ length: 5000 }, (_, n) => ownerless(`shop/${n}`))
    const { out } = await run(factsOf(all))
    expect(out.split('\n').length).toBeLessThan(40)
    expect(out).toContain('and 4995 more; --most, --csv and --html show them')
  })

  test('one refusal is reported once, with all that is not known because of it', async () => {
    const unread = { unread: 'DynamoDB Scan: AccessDenied' }
    const all = Array.from({ length: 50 }, (_, n) => secret(`shop/${n}`, { history: unread }))
    const { out } = await run(factsOf(all))
    expect(out.match(/DynamoDB Scan: AccessDenied/g)).toHaveLength(1)
    // The rule same-minute is one of a Region, and needs the histories of its credentials.
    expect(out).toMatch(/Not checked for 50 credentials and 1 Region: [\s\S]*too-old/)
    expect(out).not.toContain('There are no findings')
  })

  test('a foreign name cannot move the cursor, nor end a command that is pasted', async () => {
    const name = "/x';rm -rf ~;'\u202e\u0007/password"
    const { out } = await run(
      factsOf([parameter(name, { type: 'String' }), parameter(name, { tags: { is: {} } })]),
    )
    expect(out.replaceAll('\n', '')).toBe(sanitize(out.replaceAll('\n', '')))
    expect(out).toContain(String.raw`--resource-id '/x'\'';rm -rf ~;'\'' /password'`)
  })

  test('it says which Regions were looked at, and that no other was', async () => {
    const facts = factsOf([secret('shop/a')], { there: { secrets: { is: 'replicas' } } })
    const says =
      'Looked at: eu-west-1; in eu-central-1 at replicas alone; no other Region. --regions names more.'
    expect((await run(facts)).out.replaceAll('\n', ' ')).toContain(says)
    const { out } = await run(facts, {}, { json: true })
    expect(JSON.parse(out).scope).toBe(says)
    const { renderPage } = await import('../../fleet/audit/page/page.ts')
    expect(await renderPage(JSON.parse(out))).toContain(`<p>${says}</p>`)
  })

  test('a report without findings says so', async () => {
    const { out } = await run(factsOf([secret('shop/a')]))
    expect(out).toMatch(/1 secret, 0 replicas, 0 parameters: no finding\n[\s\S]*There are no findings\.\n$/)
  })
})

describe('the exit code', () => {
  const low = factsOf([ownerless('shop/a')])

  test.each([
    [undefined, 0],
    ['low', 5],
    ['medium', 0],
  ] as const)('with --fail-on %s and a low finding is %i', async (failOn, code) => {
    expect((await run(low, failOn && { failOn })).code).toBe(code)
  })

  test('counts what could not be read, and not what is excepted', async () => {
    const hidden = factsOf([secret('shop/a', { policy: { unread: 'AccessDenied' } })])
    expect((await run(hidden, { failOn: 'critical' })).code).toBe(EXIT.findings)
    const policy = inFolder(
      'policy.yml',
      'exceptions:\n  - { rule: owner-missing, name: shop/a, until: 2026-12-31, reason: it is known }\n',
    )
    const { code, out } = await run(low, { failOn: 'low', policy })
    expect(code).toBe(EXIT.done)
    expect(out).toContain('secret:shop/a in eu-west-1: owner-missing until 2026-12-31, it is known')
  })

  test('counts the rule `exposed`, if Access Analyzer cannot be asked for it, as a low finding and not as a high one', async () => {
    const resourcePolicy = { is: '{"Statement":[]}' }
    const hidden = factsOf([secret('shop/a', { policy: resourcePolicy })], {
      here: { exposed: { unread: 'Access Analyzer ListAnalyzers: AccessDenied' } },
    })
    expect((await run(hidden, { failOn: 'medium' })).code).toBe(EXIT.done)
    const { code, out } = await run(hidden, { failOn: 'low' })
    expect(code).toBe(EXIT.findings)
    expect(out).toMatch(/not known {2}Access Analyzer ListAnalyzers: AccessDenied\n.*: exposed/)
    const excepting = inFolder(
      'unread.yml',
      'exceptions:\n  - { rule: exposed, name: "*", until: 2026-12-31, reason: not here }\n  - { rule: open-unclear, name: "*", until: 2026-12-31, reason: not here }\n',
    )
    expect((await run(hidden, { failOn: 'low', policy: excepting })).code).toBe(EXIT.done)
  })

  test('says which exceptions have ended or cover nothing', async () => {
    const exceptions = [
      'name: shop/a, until: 2026-12-31',
      'name: shop/a, until: 2026-11-29',
      'name: shop/typo*, until: 2026-12-31',
    ].map(its => `  - { rule: owner-missing, ${its}, reason: x }\n`)
    const policy = inFolder('needless.yml', `exceptions:\n${exceptions.join('')}`)
    const { err } = await run(low, { policy }, { columns: 200 })
    expect(err.match(/^The policy's exception.*$/gm)).toEqual([
      "The policy's exception from owner-missing for shop/a ended with 2026-11-29.",
      "The policy's exception from owner-missing for shop/typo* matches no finding: correct its name, or remove it.",
    ])
  })

  test('with a baseline, counts only new findings', async () => {
    const before = await run(low, {}, { json: true })
    const baseline = inFolder('before.json', before.out)
    expect((await run(low, { failOn: 'low', baseline })).code).toBe(EXIT.done)
    const { code, out } = await run(factsOf([ownerless('shop/a'), ownerless('shop/b')]), {
      failOn: 'low',
      baseline,
      most: 1,
    })
    expect(code).toBe(EXIT.findings)
    expect(out).toMatch(/1 finding is new, and comes first in its list[.][\s\S]* {2}new {2}secret:shop\/b/)
    const mended = await run(factsOf([secret('shop/a')]), { baseline })
    expect(mended.out).toMatch(/None of the findings is new[.] 1 finding of the baseline is gone[.]/)
    const { gone } = JSON.parse((await run(factsOf([]), { baseline }, { json: true })).out) as AuditReport
    expect(gone).toEqual((JSON.parse(before.out) as AuditReport).findings)
  })
})

describe('files', () => {
  test('are complete and private, and replace earlier ones', async () => {
    const [csv, html] = [inFolder('findings.csv', 'old'), inFolder('report.html')]
    const { err } = await run(factsOf([open]), { csv, html }, { columns: 1000 })
    expect(readFileSync(html, 'utf8')).toBe('<!doctype html>dev')
    expect(readFileSync(csv, 'utf8')).toMatch(
      /^"severity","rule",[\s\S]*\r\n"critical","open-to-everybody",[\s\S]*\r\n$/,
    )
    expect(statSync(csv).mode & 0o777).toBe(0o600)
    expect(err).toContain(`Written: ${csv}`)
  })

  test('as CSV have no text that a spreadsheet runs as a formula', async () => {
    const csv = inFolder('formula.csv')
    await run(
      factsOf([parameter('=cmd()/password', { type: 'String', tags: { is: { team: '@SUM(A1)' } } })]),
      {
        csv,
      },
    )
    const text = readFileSync(csv, 'utf8')
    expect(text).toContain(`"'=cmd()/password"`)
    expect(text).toContain(`"'@SUM(A1)"`)
  })

  // Facts without anything in them: a run that gathered them would fail with another error.
  const refused = (given: Partial<AuditOptions>) => run({} as Facts, given)
  const usage = (message: RegExp) =>
    expect.objectContaining({
      name: 'CommandError',
      code: EXIT.usage,
      message: expect.stringMatching(message),
    })

  test('that cannot be written or read are refused before anything is gathered', async () => {
    await expect(refused({ html: join(folder, 'none', 'x.html') })).rejects.toEqual(
      usage(/^--html .*: it cannot be written: its folder does not exist$/),
    )
    await expect(refused({ csv: folder })).rejects.toEqual(usage(/it is a folder/))
    const device = join(folder, 'device')
    symlinkSync('/dev/null', device)
    await expect(refused({ html: device })).rejects.toEqual(usage(/it is not a regular file/))
    await expect(refused({ policy: inFolder('no') })).rejects.toEqual(
      usage(/^--policy .*: it cannot be read: there is no such file$/),
    )
    await expect(refused({ policy: inFolder('bad.yml', 'max-age: soon') })).rejects.toEqual(
      usage(/^--policy .*line 1: max-age should be/),
    )
    await expect(refused({ baseline: inFolder('bad.json', '{"format":"x"}') })).rejects.toEqual(
      usage(/it is not a report .*format/),
    )
    await expect(refused({ prices: inFolder('prices.json', '{}') })).rejects.toEqual(
      usage(/prices\.json does not hold prices/),
    )
    const { out } = await run(factsOf([]), {}, { json: true })
    const other = { ...(JSON.parse(out) as AuditReport), stage: 'prod' }
    await expect(refused({ baseline: inFolder('other.json', JSON.stringify(other)) })).rejects.toEqual(
      usage(/the stage prod/),
    )
  })

  test('and so are options that fit no audit', async () => {
    await expect(refused({ reads: 91 * 86_400 })).rejects.toEqual(usage(/more than 90d/))
    await expect(refused({ regions: ['us-east-1', 'eu-wst-1'] })).rejects.toEqual(
      usage(/^--regions eu-wst-1: AWS has no such Region/),
    )
    expect((await run(factsOf([]), { regions: ['us-east-1'] })).code).toBe(EXIT.done)
    await expect(refused({ journal: 'a', resume: 'b' })).rejects.toEqual(
      usage(/--journal cannot be combined/),
    )
  })
})
