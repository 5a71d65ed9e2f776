import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeProgram } from '../../cli/program.ts'
import type { AuditReport } from '../../fleet/audit/report.ts'
import { type AuditedAccount, startAuditedAccount } from '../../local/aws/audited.ts'
import { type LocalService, serveHttp } from '../../local/aws/localService.ts'
import { startPriceList } from '../../local/aws/priceList.ts'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import manifest from '../../package.json' with { type: 'json' }
import { packCommand } from '../../scripts/pack.ts'
import { node22 } from '../support/node22.ts'
import {
  type Account,
  commandEnvironment,
  commandFile,
  runCommand,
  stackOf,
  startAccount,
} from './account.ts'

const execute = promisify(execFile)
const project = join(import.meta.dirname, '../..')
const nodes = [
  ['24', process.execPath],
  ['22', await node22()],
] as const

let folder: string
let account: Account
let secrets: SecretsManagerServer
let executions: StepFunctionsServer
let audited: AuditedAccount
let empty: LocalService
let prices: LocalService
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyturn-package-'))
  secrets = await startSecretsManager()
  executions = await startStepFunctions()
  // Nothing is tagged here, no rotation is recorded, and there is no parameter.
  empty = await serveHttp((_, outgoing) => {
    outgoing.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' }).end('{}')
  })
  const played = { secretsManager: secrets.url, stepFunctions: executions.url, others: empty.url }
  account = await startAccount(played)
  account.stacks.push(stackOf('prod', { RotationTableName: 'rotations' }))
  prices = await startPriceList([])
  audited = await startAuditedAccount({
    moment: '2026-11-30T12:00:00.000Z',
    regions: {
      'eu-west-1': {
        secrets: [
          {
            name: 'shop/open',
            policy: { Statement: { Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' } },
          },
        ],
        parameters: [{ name: '/shop/password', type: 'String' }],
        events: [
          {
            eventName: 'GetSecretValue',
            eventTime: '2026-11-29T12:00:00Z',
            requestParameters: { secretId: 'shop/open' },
          },
        ],
      },
    },
  })
  const headers = { 'x-amz-target': 'secretsmanager.CreateSecret' }
  await fetch(secrets.url, {
    method: 'POST',
    headers,
    body: JSON.stringify({ Name: 'shop', SecretString: 'x' }),
  })
})
afterAll(async () => {
  account?.stop()
  executions?.stop()
  for (const server of [secrets, empty, prices, audited]) await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** @returns the modules that a call of the command loads */
async function loads(command: string[], ...words: string[]): Promise<string[]> {
  const path = join(folder, 'hook.mjs')
  await writeFile(
    path,
    `import { registerHooks } from 'node:module'
    registerHooks({ load: (url, context, next) => (process._rawDebug('loads ' + url), next(url, context)) })`,
  )
  const env = commandEnvironment(account.url, { NODE_OPTIONS: `--import=file://${path}` })
  const { stderr } = await runCommand(words, env, undefined, command)
  return [...stderr.matchAll(/^loads (.*)$/gm)].map(([, url = '']) => url)
}

describe('the package, installed in an empty folder', () => {
  let installed: string
  let tarball: string
  beforeAll(async () => {
    tarball = await packCommand(folder)
    const place = join(folder, 'empty')
    await mkdir(place)
    await execute('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: place })
    installed = join(place, 'node_modules')
  })

  test('has a manifest of its own, and nothing that the command does not need', async () => {
    expect((await readdir(installed)).sort()).toEqual(['.bin', '.package-lock.json', 'keyturn'])
    const files = (await readdir(join(installed, 'keyturn'), { recursive: true })).sort()
    const parts = files.filter(name => /^bin\/[\w-]+-[A-Z0-9]{8}\.js$/.test(name))
    expect(files.filter(name => !parts.includes(name))).toEqual([
      'LICENSE',
      'README.md',
      'THIRD-PARTY.txt',
      'bin',
      'bin/keyturn.js',
      'package.json',
    ])
    const { name, version, description, license } = manifest
    expect(JSON.parse(await readFile(join(installed, 'keyturn/package.json'), 'utf8'))).toEqual({
      name,
      version,
      description,
      license,
      type: 'module',
      bin: { keyturn: 'bin/keyturn.js' },
      engines: { node: '>=22.13' },
    })
    const program = await readFile(join(installed, 'keyturn/bin/keyturn.js'), 'utf8')
    expect(program).toMatch(/^#!\/usr\/bin\/env node\n/)
    for (const name of ['bin/keyturn.js', ...parts]) {
      const text = await readFile(join(installed, 'keyturn', name), 'utf8')
      expect(text, name).not.toContain(project)
      expect(text, name).not.toMatch(/\bawait using\b/)
    }
    expect((await stat(tarball)).size).toBeLessThan(1_000_000)
  })

  test('has the licence of every package that it holds', async () => {
    const text = await readFile(join(installed, 'keyturn/THIRD-PARTY.txt'), 'utf8')
    const each = text.split(`\n${'-'.repeat(80)}\n`).map(part => part.trim().split('\n\n'))
    const named = each.flatMap(([head = '']) => head.split('\n'))
    for (const line of named) expect(line).toMatch(/^\S+ [\d.]+: (MIT|Apache-2\.0|BSD-[23]-Clause|ISC|0BSD)$/)
    for (const [head, ...rest] of each) expect(rest.join('\n\n').length, head).toBeGreaterThan(400)
    const names = named.map(line => line.split(' ')[0])
    const some = ['commander', 'listr2', '@aws-sdk/client-sfn', '@aws-sdk/credential-provider-http']
    expect(names).toEqual(expect.arrayContaining(some))
  })

  describe.each(nodes.filter(([, node]) => node))('under Node %s', (major, node) => {
    const keyturn = (...words: string[]) =>
      runCommand(words, commandEnvironment(account.url), undefined, [
        `${node}`,
        join(installed, '.bin/keyturn'),
      ])
    const looks = (...words: string[]) => {
      const settings = commandEnvironment(audited.url, { AWS_ENDPOINT_URL_PRICING: prices.url })
      return runCommand(words, settings, undefined, [`${node}`, join(installed, '.bin/keyturn')])
    }

    test('runs as the command keyturn', async () => {
      expect((await execute(`${node}`, ['--version'])).stdout).toMatch(`v${major}.`)
      const { code, stdout, stderr } = await keyturn('--help')
      expect([code, stderr]).toEqual([0, ''])
      expect(stdout).toContain('Usage: keyturn')
      expect(await keyturn('version')).toMatchObject({
        code: 0,
        stdout: `command  ${manifest.version}\nstack    ${manifest.version} (keyturn-prod)\n`,
        stderr: '',
      })
      expect((await keyturn('rotate', 'nowhere')).stderr).toContain('there is no secret or parameter nowhere')
    })

    test('audits, from its policy to its page, and resumes an audit', async () => {
      const place = await mkdtemp(join(folder, 'audit-'))
      const at = (name: string) => join(place, name)
      await writeFile(
        at('policy.yml'),
        'exceptions: [{ rule: plain-string, name: "*", until: 2027-01-01, reason: no matter here }]',
      )
      const audit = (...words: string[]) =>
        looks('audit', '--no-reads', '--policy', at('policy.yml'), ...words)
      const first = await audit('--json', '--journal', at('journal'))
      expect(first.code).toBe(0)
      await writeFile(at('before.json'), first.stdout)
      const { findings } = JSON.parse(first.stdout) as AuditReport
      expect(findings.filter(({ excepted }) => excepted).map(({ rule }) => rule)).toEqual(['plain-string'])
      const more = ['--resume', at('journal'), '--baseline', at('before.json')]
      const again = await audit(...more, '--html', at('page.html'), '--csv', at('table.csv'))
      expect([again.code, again.stdout]).toEqual([0, expect.stringMatching(/^Audit of dev in /)])
      expect(again.stdout).toMatch(/findings? (is|are) new\b/)
      expect(await readFile(at('table.csv'), 'utf8')).toContain('"open-to-everybody"')
      const page = await readFile(at('page.html'), 'utf8')
      for (const part of ['shop/open', '<svg', '</style>', '</script>']) expect(page).toContain(part)
    })

    test('every command works', async () => {
      const file = join(await mkdtemp(join(folder, 'prices-')), 'prices.json')
      const calls: [call: typeof keyturn, words: string, code: number, says: string][] = [
        [looks, 'audit --help', 0, '--fail-on'],
        [looks, 'readers shop/open --since 2d', 0, 'user/somebody\n    1 read'],
        [looks, 'doctor', 0, 'of the same version as this command'],
        [looks, 'cost', 0, 'prices of eu-west-1 2026-11-30'],
        [looks, `cost --refresh --prices ${file}`, 0, 'no clear price in eu-west-1'],
        [keyturn, 'version', 0, '(keyturn-prod)'],
        [keyturn, 'status', 0, 'There is no such credential'],
        [keyturn, 'history shop', 0, 'No rotation of secret:shop is known'],
        [keyturn, 'events', 0, 'No rotation ended within'],
        [keyturn, 'rotate --no-wait shop', 0, 'shop'],
        [keyturn, 'check shop', 2, 'no output CheckStateMachineArn'],
        [
          keyturn,
          'enrol shop --dry-run --strategy single-user --every 30d',
          2,
          'no output CheckStateMachineArn',
        ],
        [keyturn, 'unenrol shop --dry-run', 0, 'was not enrolled'],
        [
          keyturn,
          'policy shop --role arn:aws:iam::123456789012:role/app',
          0,
          'secretsmanager:GetSecretValue',
        ],
        [keyturn, 'replicas shop', 0, 'The secret has no replicas.'],
        [keyturn, 'promote --from eu-central-1 --dry-run', 2, 'no output PromotionTableName'],
        [keyturn, 'failback shop --check --to eu-central-1', 2, 'was not promoted here'],
        [keyturn, 'demo', 2, 'needs the repository, which has the functions that it runs\nClone it'],
        [keyturn, 'complete zsh', 0, 'compdef'],
        [keyturn, 'complete -- rotate --al', 0, '--all-due'],
      ]
      const named = new Set(calls.map(([, words]) => words.split(' ')[0]))
      const { commands } = makeProgram(() => {})
      expect([...named].sort()).toEqual(commands.map(command => command.name()).sort())
      await Promise.all(
        calls.map(async ([call, words, code, says]) => {
          const ran = await call(...words.split(' '))
          const told = [words, ran.code, ran.stdout + ran.stderr]
          expect(told).toEqual([words, code, expect.stringContaining(says)])
        }),
      )
    })
  })

  test('its --help reads no file that only an audit needs', async () => {
    const bin = join(installed, 'keyturn/bin')
    const files = (await readdir(bin)).map(name => join(bin, name))
    const texts = new Map(
      await Promise.all(files.map(async name => [name, await readFile(name, 'utf8')] as const)),
    )
    const urls = await loads([process.execPath, join(installed, '.bin/keyturn')], '--help')
    const read = urls.flatMap(url => (url.startsWith('file:') ? (texts.get(fileURLToPath(url)) ?? []) : []))
    expect(read.join('').length).toBeGreaterThan(10_000)
    expect(read.join('').length).toBeLessThan(200_000)
    // Words that only linkedom, Plot, yaml and AWS's clients have.
    for (const word of ['HTMLTemplateElement', 'crosshair', 'YAMLParseError', 'AWS4-HMAC-SHA256']) {
      expect([...texts.values()].filter(text => text.includes(word)).length, word).toBeGreaterThan(0)
      expect(
        read.filter(text => text.includes(word)),
        word,
      ).toEqual([])
    }
  })
})

describe('a command loads no more than it uses', () => {
  /** The packages whose modules a call loads, and how many modules. */
  async function loaded(...words: string[]) {
    const urls = await loads([process.execPath, commandFile], ...words)
    const packages = urls.flatMap(url => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? [])
    return { packages: [...new Set(packages)], modules: urls.filter(url => url.startsWith('file:')).length }
  }
  const clients = ({ packages }: { packages: string[] }) =>
    packages.filter(name => /client-|listr2/.test(name)).sort()

  test('--help loads neither AWS nor what draws on a terminal', async () => {
    const { packages, modules } = await loaded('--help')
    expect(packages).toEqual(['commander'])
    expect(modules).toBeLessThan(40)
  })

  test('a first call loads the clients that it needs', async () => {
    expect(clients(await loaded('version'))).toEqual(['@aws-sdk/client-cloudformation'])
    expect(clients(await loaded('rotate', '--no-wait', 'secret:shop'))).toEqual([
      '@aws-sdk/client-cloudformation',
      '@aws-sdk/client-secrets-manager',
      '@aws-sdk/client-sfn',
    ])
    account.stacks[0] = stackOf('prod', { RotationTableName: 'rotations' })
    expect(clients(await loaded('events'))).toEqual([
      '@aws-sdk/client-cloudformation',
      '@aws-sdk/client-dynamodb',
    ])
    expect(clients(await loaded('complete', '--', 'rotate', 'parameter:'))).toEqual(['@aws-sdk/client-ssm'])
  })
})
