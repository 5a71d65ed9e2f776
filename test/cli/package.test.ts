import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import manifest from '../../package.json' with { type: 'json' }
import { pack } from '../../scripts/pack.ts'
import { node22 } from '../support/node22.ts'
import { type Account, environment, file, run, stackOf, startAccount } from './account.ts'

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
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyturn-package-'))
  secrets = await startSecretsManager()
  executions = await startStepFunctions()
  account = await startAccount({ secretsManager: secrets.url, stepFunctions: executions.url })
  account.stacks.push(stackOf('prod'))
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
  await secrets?.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('the package, installed in an empty folder', () => {
  let installed: string
  let tarball: string
  beforeAll(async () => {
    tarball = await pack(folder)
    const place = join(folder, 'empty')
    await mkdir(place)
    await execute('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: place })
    installed = join(place, 'node_modules')
  })

  test('has a manifest of its own, and nothing that the command does not need', async () => {
    expect((await readdir(installed)).sort()).toEqual(['.bin', '.package-lock.json', 'keyturn'])
    const files = (await readdir(join(installed, 'keyturn'), { recursive: true })).sort()
    expect(files).toEqual([
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
    const bundle = await readFile(join(installed, 'keyturn/bin/keyturn.js'), 'utf8')
    expect(bundle).toMatch(/^#!\/usr\/bin\/env node\n/)
    expect(bundle).not.toContain(project)
    expect(bundle).not.toMatch(/\bawait using\b/)
    expect((await stat(tarball)).size).toBeLessThan(1_000_000)
  })

  test('has the licence of every package that it holds', async () => {
    const text = await readFile(join(installed, 'keyturn/THIRD-PARTY.txt'), 'utf8')
    const each = text.split(`\n${'-'.repeat(80)}\n`).map(part => part.trim().split('\n\n'))
    const named = each.flatMap(([head = '']) => head.split('\n'))
    for (const line of named) expect(line).toMatch(/^\S+ [\d.]+: (MIT|Apache-2\.0|BSD-3-Clause|ISC|0BSD)$/)
    for (const [head, ...rest] of each) expect(rest.join('\n\n').length, head).toBeGreaterThan(400)
    const names = named.map(line => line.split(' ')[0])
    const some = ['commander', 'listr2', '@aws-sdk/client-sfn', '@aws-sdk/credential-provider-http']
    expect(names).toEqual(expect.arrayContaining(some))
  })

  describe.each(nodes.filter(([, node]) => node))('under Node %s', (major, node) => {
    const keyturn = (...words: string[]) =>
      run(words, environment(account.url), undefined, [`${node}`, join(installed, '.bin/keyturn')])

    test('is the command', async () => {
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
      expect(await keyturn('rotate', '--no-wait', 'shop')).toMatchObject({ code: 0, stderr: '' })
      expect((await keyturn('complete', '--', 'rotate', '--al')).stdout).toBe('--all-due\n')
    })

    test('says that the demo needs the repository', async () => {
      const { code, stderr } = await keyturn('demo')
      expect([code, stderr]).toEqual([2, expect.stringMatching(/needs the repository.*\nClone it/)])
    })
  })
})

describe('a command loads no more than it uses', () => {
  const hook = `import { registerHooks } from 'node:module'
    registerHooks({ load: (url, context, next) => (process._rawDebug('loads ' + url), next(url, context)) })`

  /** The packages whose modules a call loads, and how many modules. */
  async function loaded(...words: string[]) {
    const path = join(folder, 'hook.mjs')
    await writeFile(path, hook)
    const env = environment(account.url, { NODE_OPTIONS: `--import=file://${path}` })
    const { stderr } = await run(words, env, undefined, [process.execPath, file])
    const urls = [...stderr.matchAll(/^loads (.*)$/gm)].map(([, url = '']) => url)
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
