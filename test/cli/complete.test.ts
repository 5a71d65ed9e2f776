import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  type Account,
  commandEnvironment,
  commandFile,
  runCommand,
  stackOf,
  startAccount,
} from './account.ts'

let account: Account
let folder: string
beforeAll(async () => {
  account = await startAccount()
  account.stacks.push(stackOf('prod'), stackOf('dev'))
  account.secrets.set('shop/database', {}).set('shop/cache', {}).set('with blank', {})
  account.parameters.set('/shop/mail', {}).set('shop.old', {})
  folder = await mkdtemp(join(tmpdir(), 'keyturn-complete-'))
  const command = join(folder, 'keyturn')
  await writeFile(command, `#!/bin/sh\nexec '${process.execPath}' '${commandFile}' "$@"\n`)
  await chmod(command, 0o755)
})
afterAll(async () => {
  account?.stop()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => {
  account.refuse()
  account.calls.length = 0
})

const complete = async (words: string[], more: Record<string, string> = {}) => {
  const ran = await runCommand(['complete', '--', ...words], commandEnvironment(account.url, more))
  expect(ran).toMatchObject({ code: 0, stderr: '' })
  return ran.stdout.split('\n').slice(0, -1)
}

/** On a busy machine the limit of one second may pass before there is an answer, and then nothing is completed. */
const patient = { retry: 3 }

test.each([
  [['ro'], ['rotate']],
  [['--pro'], ['--profile']],
  [['rotate', '--a'], ['--all-due']],
  [['--region', ''], []],
  [['demo', ''], []],
  [['status', '--state', 'fail'], ['failed']],
  [
    ['replicas', '--re'],
    ['--remove', '--repair', '--ready', '--reason', '--region'],
  ],
  [['replicas', '--add', ''], []],
  [['replicas', '--add', 'us-east-1', 'shop/d'], ['shop/database']],
  [['history', 'shop/d'], ['shop/database']],
  [['enrol', '--strategy', 'al'], ['alternating-users']],
  [['check', 'shop/cache', 'shop/d'], ['shop/database']],
  [
    ['promote', '--p'],
    ['--planned', '--profile'],
  ],
  [['promote', '--from', ''], []],
  [['promote', '--from', 'us-east-1', 'secret:shop/d'], ['secret:shop/database']],
  [['failback', '--ch'], ['--check']],
  [
    ['complete', ''],
    ['bash', 'zsh', 'fish'],
  ],
  [
    ['rotate', 'shop'],
    ['shop.old', 'shop/cache', 'shop/database'],
  ],
  [['rotate', '--no-wait', 'shop/d'], ['shop/database']],
  [['--json', 'rotate', 'other', '/s'], ['/shop/mail']],
  [['rotate', 'secret:shop/c'], ['secret:shop/cache']],
  [['rotate', 'parameter:shop'], ['parameter:shop.old']],
  [['rotate', 'with'], []],
  [
    ['rotate', '--stage', ''],
    ['dev', 'prod'],
  ],
  [['rotate', '--stage', 'p'], ['prod']],
])('%j', patient, async (words, found) => {
  expect(await complete(words)).toEqual(found)
  expect(account.calls.length).toBeLessThanOrEqual(2)
})

test('somebody who may list only one store gets the names of that store', patient, async () => {
  account.refuse(action => (action === 'ListSecrets' ? { name: 'AccessDeniedException' } : undefined))
  expect(await complete(['rotate', 'shop'])).toEqual(['shop.old'])
})

test.each([
  ['nobody answers', { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' }],
  ['there are no credentials', { AWS_ACCESS_KEY_ID: '' }],
  ['there is no Region', { AWS_REGION: '' }],
])('nothing is completed and nothing printed if %s', async (_, more) => {
  expect(await complete(['rotate', ''], more)).toEqual([])
})

test('completion gives up if there is no answer', async () => {
  account.refuse(() => 'never')
  const begun = performance.now()
  expect(await complete(['rotate', ''])).toEqual([])
  // One second, and the start of a process on a busy machine.
  expect(performance.now() - begun).toBeLessThan(10_000)
})

/** @returns bash's COMPREPLY after a press of tab at the end of a line */
async function inBash(line: string): Promise<string[]> {
  const script = `eval "$(keyturn complete bash)"
    complete -p keyturn > /dev/null || exit
    COMP_LINE=$1 COMP_POINT=\${#1} _keyturn
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const env = commandEnvironment(account.url, {
    PATH: `${folder}${delimiter}${process.env.PATH}`,
    HOME: folder,
  })
  const child = spawn('bash', ['--norc', '-c', script, 'bash', line], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err] = [child.stdout.toArray(), child.stderr.toArray()]
  await once(child, 'close')
  expect(Buffer.concat(await err).toString()).toBe('')
  return Buffer.concat(await out)
    .toString()
    .split('\n')
    .slice(0, -1)
}

test.each([
  ['keyturn rot', ['rotate']],
  ['keyturn rotate shop/', ['shop/cache', 'shop/database']],
  ['keyturn rotate shop/cache shop/d', ['shop/database']],
  // Bash completes only what comes after a colon.
  ['keyturn rotate secret:shop/c', ['shop/cache']],
  ['keyturn complete ', ['bash', 'zsh', 'fish']],
  ['keyturn rotate $(touch made)', ['']],
])('in bash, %s', patient, async (line, found) => {
  expect(await inBash(line)).toEqual(found)
  expect(await readdir(folder)).toEqual(['keyturn'])
})
