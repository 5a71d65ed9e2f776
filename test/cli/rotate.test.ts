import { setTimeout as sleep } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import { PutSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { StateName } from '../../fleet/states.ts'
import type { Users } from '../../local/client/users.ts'
import { type Embedded, loadHandler, startEmbedded } from '../../local/embedded/embedded.ts'
import type { Task } from '../../local/embedded/stateMachine.ts'
import {
  type Account,
  commandEnvironment,
  commandFile,
  functionArn,
  runCommand,
  stackOf,
  startAccount,
} from './account.ts'

let embedded: Embedded
let account: Account
beforeAll(async () => {
  embedded = await startEmbedded()
  account = await startAccount({
    secretsManager: embedded.secretsManager.url,
    stepFunctions: embedded.stepFunctions.url,
  })
  account.stacks.push(stackOf('local'))
})
/** Rotations by Secrets Manager that may still be waiting. */
const called: Promise<unknown>[] = []
afterAll(async () => {
  await Promise.all(called)
  account?.stop()
  await embedded?.stop()
})
beforeEach(() => {
  account.refuse()
  account.rotateSecret = undefined
  account.calls.length = 0
})

const keyturn = (...words: string[]) => runCommand(words, commandEnvironment(account.url))
const single = { 'keyturn:strategy': 'single-user' }
const failing = { ...single, 'keyturn:test-query': 'TABLE no_such_table' }
let users = 0
/** Makes a secret. @returns its name */
async function enrol(tags: Record<string, string> = {}, more: Parameters<Users['enrol']>[1] = {}) {
  const user = `user${users++}`
  await embedded.users.enrol(user, { tags, ...more })
  return `demo/${user}`
}
const value = (name: string) => embedded.users.valueStore.read(name, 'current')

/** Replaces the function of a state during one test. */
function instead(state: StateName<'rotate'>, task: (usual: Task) => Task): void {
  const { tasks } = embedded.stepFunctions
  const usual = tasks[state] as Task
  tasks[state] = task(usual)
  onTestFinished(() => {
    tasks[state] = usual
  })
}

/** @returns the states that the output names */
const statesIn = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map(line => line.split(' ')[2])
const good = [
  'CreateSecret',
  'Rehearse',
  'SetSecret',
  'TestSecret',
  'FinishSecret',
  'AnnounceSuccess',
  'rotated',
]

test('a rotation is shown to its end, one line for each state, without colours and values', async () => {
  const id = await enrol()
  const before = await value(id)
  const { code, stdout, stderr } = await keyturn('rotate', id)
  expect([code, stderr]).toEqual([0, ''])
  for (const line of stdout.trimEnd().split('\n'))
    expect(line).toMatch(new RegExp(`^\\d\\d:\\d\\d:\\d\\d ${id}: [ -~]+$`))
  expect(statesIn(stdout)).toEqual(good)
  const after = await value(id)
  expect(after).not.toBe(before)
  for (const text of [before, after]) expect(stdout).not.toContain(JSON.parse(`${text}`).password)
})

test('a rotation that fails says why, that the application is unharmed, and what to do', async () => {
  const id = await enrol(single, { failsOnceChanged: true })
  const before = await value(id)
  const { code, stdout, stderr } = await keyturn('rotate', id)
  expect(code).toBe(1)
  expect(statesIn(stdout)).toContain('RollbackSecret')
  const [what = '', remedy, ...rest] = stderr.trimEnd().split('\n')
  expect(what).toMatch(
    new RegExp(`^keyturn: ${id}: The rotation failed; the application is unharmed. TestFailed: `),
  )
  expect(remedy).toMatch(/\w/)
  expect(rest).toEqual([])
  expect(await value(id)).toBe(before)
})

test('a rotation that fails in its rehearsal shows where, and that nothing was changed', async () => {
  const { code, stdout, stderr } = await keyturn('rotate', await enrol(failing))
  expect(code).toBe(1)
  expect(statesIn(stdout).slice(0, 5)).toEqual([
    'CreateSecret',
    'Rehearse',
    'RehearseTest:',
    'DiscardSecret',
    'AnnounceFailure',
  ])
  expect(stdout).toContain(': RehearseTest: attempt 1 failed: TestFailed: testSecret: in the rehearsal, ')
  expect(stderr).toContain('the application is unharmed. TestFailed: ')
})

test('a retry is shown with its reason', async () => {
  let tries = 0
  instead('SetSecret', usual => event => {
    if (tries++ === 0) throw Object.assign(new Error('no\nanswer\u001b[2J'), { name: 'Unreachable' })
    return usual(event)
  })
  const { code, stdout } = await keyturn('rotate', await enrol())
  expect(code).toBe(0)
  expect(stdout).toContain(': SetSecret: attempt 1 failed: Unreachable: no answer\n')
})

test('the command does not wait for the grace time, and says until when the old user stays open', async () => {
  const id = await enrol({ 'keyturn:grace': '2h' }, { admin: await embedded.users.makeAdmin('master') })
  const { code, stdout } = await keyturn('rotate', id)
  expect(code).toBe(0)
  const [, until = ''] = /rotated; the old one stays open until (.*) UTC$/m.exec(stdout) ?? []
  const minutes = (Date.parse(`${until.replace(' ', 'T')}Z`) - Date.now()) / 60_000
  expect(minutes).toBeGreaterThan(117)
  expect(minutes).toBeLessThanOrEqual(120)
})

test('--json prints one document, whatever happens', async () => {
  const [well, ill] = [await enrol(), await enrol(failing)]
  const { code, stdout, stderr } = await keyturn('rotate', '--json', well, ill)
  expect(code).toBe(1)
  expect(stderr).toContain(ill)
  const store = 'secrets-manager'
  const execution = expect.stringMatching(/^arn:aws:states:.*:execution:keyturn-local-rotate:[\w-]{36}$/)
  expect(JSON.parse(stdout)).toEqual({
    rotations: [
      { store, id: well, execution, result: 'rotated', says: 'rotated', exitCode: 0 },
      expect.objectContaining({
        store,
        id: ill,
        execution,
        result: 'failed',
        error: 'TestFailed',
        exitCode: 1,
      }),
    ],
  })
})

test('--no-wait starts, and says which execution it is', async () => {
  const id = await enrol()
  const { code, stdout } = await keyturn('rotate', '--no-wait', id)
  expect(code).toBe(0)
  const [, name = ''] =
    /started: arn:aws:states:eu-west-1:123456789012:execution:keyturn-local-rotate:(\S+)/.exec(stdout) ?? []
  const execution = embedded.stepFunctions.rotateExecutions.get(name)
  expect(JSON.parse(`${execution?.input}`)).toEqual({ store: 'secrets-manager', id })
  expect((await execution?.ended)?.failure).toBeUndefined()
  expect(account.calls).not.toContain('GetExecutionHistory')
})

test('a parameter is rotated under its name', async () => {
  account.parameters.set('/shop/database', {})
  instead('CreateSecret', () => () => {
    throw Object.assign(new Error('createSecret: no'), { name: 'InvalidOption' })
  })
  instead('DiscardSecret', () => () => null)
  for (const id of [
    '/shop/database',
    'parameter:/shop/database',
    'arn:aws:ssm:eu-west-1:123456789012:parameter/shop/database',
  ]) {
    const { code, stdout, stderr } = await keyturn('rotate', '--json', id)
    expect([code, stderr]).toEqual([1, expect.stringContaining('InvalidOption: createSecret: no')])
    const [{ execution }] = JSON.parse(stdout).rotations
    const { input } = embedded.stepFunctions.rotateExecutions.get(execution.split(':').at(-1)) ?? {}
    expect(JSON.parse(`${input}`)).toEqual({ store: 'parameter-store', id: '/shop/database' })
  }
})

test('no rotation begins if one of several ids is wrong', async () => {
  const { code, stderr } = await keyturn('rotate', await enrol(), 'nowhere')
  expect([code, stderr]).toEqual([2, expect.stringContaining('there is no secret or parameter nowhere')])
  expect(account.calls).not.toContain('StartExecution')
})

test('a credential that is named in two ways is rotated once', async () => {
  const id = await enrol()
  expect((await keyturn('rotate', id, `secret:${id}`, '--no-wait')).code).toBe(0)
  expect(account.calls.filter(action => action === 'StartExecution')).toHaveLength(1)
})

test('--all-due starts a run; with ids too, or with neither, nothing begins', async () => {
  const { code, stdout } = await keyturn('rotate', '--all-due')
  expect([code, account.runs]).toEqual([0, ['{}']])
  expect(stdout).toContain('arn:aws:states:')
  for (const words of [['--all-due', 'shop'], []])
    expect(await keyturn('rotate', ...words)).toMatchObject({ code: 2, stdout: '' })
})

/** Has Secrets Manager rotate a secret, by the stack's own function. */
async function rotatedByService(id: string): Promise<void> {
  account.secrets.set(id, { RotationEnabled: true, RotationLambdaARN: functionArn })
  const handler = await loadHandler('rotateSecret')
  account.rotateSecret = (SecretId, ClientRequestToken) => {
    embedded.secretsManager.stagePending(id, ClientRequestToken)
    // The service does this after it has answered.
    called.push(
      sleep(500)
        .then(() => handler({ Step: 'createSecret', SecretId, ClientRequestToken }))
        .catch(() => {}),
    )
    return undefined
  }
}

test('a secret with rotation by this stack is rotated by Secrets Manager, with the command’s token', async () => {
  const id = await enrol()
  await rotatedByService(id)
  const { code, stdout, stderr } = await keyturn('rotate', id)
  expect([code, stderr]).toEqual([0, ''])
  expect(statesIn(stdout)).toEqual(good)
  expect(account.calls).toContain('RotateSecret')
})

test('somebody who may not invoke the rotation function is told so', async () => {
  const id = await enrol()
  await rotatedByService(id)
  account.rotateSecret = () => ({
    name: 'AccessDeniedException',
    message: `User is not authorized to perform: lambda:InvokeFunction on ${functionArn}`,
  })
  const { code, stdout, stderr } = await keyturn('rotate', id)
  expect([code, stdout]).toEqual([3, ''])
  expect(stderr).toMatch(/not authorized.*\n.*needs lambda:InvokeFunction/)
})

test('a refusal of Secrets Manager is reported, and a secret marked for deletion is not tried', async () => {
  const id = await enrol()
  await rotatedByService(id)
  const message = 'A previous rotation is not complete. That rotation will be reattempted.'
  account.rotateSecret = () => ({ name: 'InvalidRequestException', message })
  const refused = await keyturn('rotate', id)
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toMatch(
    /does not rotate demo\/user\d+ now: A previous rotation.*\n.*again in a minute/,
  )
  account.secrets.set(id, { DeletedDate: 1_800_000_000 })
  account.calls.length = 0
  const { code, stderr } = await keyturn('rotate', id)
  expect([code, stderr]).toEqual([2, expect.stringMatching(/is marked for deletion\n.*restore-secret/)])
  expect(account.calls).not.toContain('StartExecution')
})

test('a failed rotation by Secrets Manager says that the service tries again', async () => {
  const id = await enrol(failing)
  await rotatedByService(id)
  const { code, stderr } = await keyturn('rotate', id)
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/TestFailed: .*\n.*Secrets Manager tries again by itself/),
  ])
})

test('a temporary clone is named, with the time from which the application moves back', async () => {
  instead('MoveBack', () => () => ({}))
  const tags = { 'keyturn:strategy': 'temporary-clone', 'keyturn:grace': '2h' }
  const { code, stdout } = await keyturn(
    'rotate',
    await enrol(tags, { admin: await embedded.users.makeAdmin('lender') }),
  )
  expect(code).toBe(0)
  expect(stdout).toMatch(/: rotated onto a temporary clone, .*moves back by itself after \d{4}-.* UTC; /)
})

test('a version that a dead rotation left pending is reported, and rolled back by the next rotation', async () => {
  const id = await enrol()
  await rotatedByService(id)
  const SecretString = (await value(id)) ?? ''
  const put = new PutSecretValueCommand({
    SecretId: id,
    SecretString,
    ClientRequestToken: 'a-version-that-no-execution-is-named-after',
    VersionStages: ['AWSPENDING'],
  })
  await embedded.secrets.send(put)
  const { code, stdout } = await keyturn('rotate', id)
  expect(code).toBe(0)
  expect(stdout).toContain('left its version a-version-that-no-execution-is-named-after pending')
  expect(statesIn(stdout)).toEqual(['An', 'CreateSecret', 'CreateSecret:', 'RollbackAbandoned', ...good])
  expect(account.calls).not.toContain('RotateSecret')
})

/** Has SetSecret wait until the returned function is called. */
function held(): { entered: Promise<void>; go: () => void } {
  const [entered, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  instead('SetSecret', usual => async event => {
    entered.resolve()
    await released.promise
    return usual(event)
  })
  return { entered: entered.promise, go: released.resolve }
}

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s ends the command, not the rotation, which another call then shows',
  async signal => {
    const id = await enrol()
    const { entered, go } = held()
    const { code, stderr } = await runCommand(
      ['rotate', id],
      commandEnvironment(account.url),
      async (child, printed) => {
        await entered
        await vi.waitFor(() => expect(printed()).toContain('SetSecret'), 10_000)
        child.kill(signal)
      },
    )
    expect(code).toBe(4)
    expect(stderr).toMatch(/stopped waiting\nThe rotation goes on: arn:aws:states:\S+\n$/)
    const again = keyturn('rotate', id)
    await vi.waitFor(
      () =>
        expect(account.calls.filter(action => action === 'GetExecutionHistory').length).toBeGreaterThan(2),
      10_000,
    )
    go()
    const { code: ended, stdout } = await again
    expect([ended, account.calls.filter(action => action === 'StartExecution').length]).toEqual([0, 1])
    expect(stdout).toContain('A rotation of this credential is running already, and no other was begun.')
    expect(stdout).toMatch(/: rotated$/m)
  },
)

/** Runs the command on a terminal of 40 columns. What it wrote comes with what moves the cursor. */
async function onTerminal(
  words: string[],
  env: Record<string, string>,
  started?: Parameters<typeof runCommand>[2],
) {
  const line = `stty cols 40 rows 24; exec '${process.execPath}' '${commandFile}' ${words.join(' ')}`
  const script = ['script', '--quiet', '--return', '--command', line, '/dev/null']
  const all = { TERM: 'xterm', SHELL: '/bin/sh', ...env }
  const { code, stdout } = await runCommand([], commandEnvironment(account.url, all), started, script)
  return { code, stdout, text: stripVTControlCharacters(stdout) }
}

test('on a terminal the output is updated in place, in its width, with colours unless switched off', async () => {
  const { code, stdout, text } = await onTerminal(['rotate', await enrol()], {})
  expect(code).toBe(0)
  expect(text).toMatch(/✔ demo\/user\d+: rotated\s/)
  expect(stdout).toContain('\u001b[3')
  for (const line of text.split(/\r?\n/)) expect(line.trimEnd().length).toBeLessThanOrEqual(40)
  const plain = await onTerminal(['rotate', await enrol()], { NO_COLOR: '1' })
  expect(plain.text).toMatch(/✔ demo\/user\d+: rotated\s/)
  expect(plain.stdout).not.toContain('\u001b[3')
})

test('Ctrl-C at a terminal ends the command too', async () => {
  const { entered, go } = held()
  const { code, text } = await onTerminal(['rotate', await enrol()], {}, async (child, printed) => {
    await entered
    await vi.waitFor(() => expect(printed()).toContain('SetSecret'), 10_000)
    child.stdin.write('\u0003')
  })
  go()
  expect(code).toBe(4)
  expect(text.replaceAll(/\s+/g, ' ')).toContain('stopped waiting The rotation goes on: arn:aws:states:')
})

test('a closed pipe is no error', async () => {
  const { stderr } = await runCommand(['rotate', await enrol()], commandEnvironment(account.url), child =>
    child.stdout.once('data', () => child.stdout.destroy()),
  )
  expect(stderr).toBe('')
})

test('AWS may answer slowly while the command waits; if it refuses, the command says that the rotation goes on', async () => {
  let refused = 0
  account.refuse(action =>
    action === 'GetExecutionHistory' && refused++ < 4
      ? { name: 'ThrottlingException', status: 400 }
      : undefined,
  )
  expect(await keyturn('rotate', await enrol())).toMatchObject({ code: 0, stderr: '' })
  account.refuse(action => (action === 'GetExecutionHistory' ? { name: 'AccessDeniedException' } : undefined))
  const { code, stderr } = await keyturn('rotate', await enrol())
  expect(code).toBe(3)
  expect(stderr).toMatch(/cannot be watched: .*\nThe rotation goes on: arn:/)
})
