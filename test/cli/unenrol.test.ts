import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { EnrolOptions } from '../../cli/commands/enrol.ts'
import { itemOf } from '../../fleet/records/recordTable.ts'
import type { RotationRecord } from '../../fleet/records/rotationRecord.ts'
import { arnOf } from '../../local/embedded/stateMachine.ts'
import { functionArn } from './account.ts'
import {
  changingActions,
  officialFunctionArn,
  rotationRules,
  setUpEnrolment,
  singleUserOptions,
} from './enrolmentSetup.ts'

const { world, secret, tagsOf, turnedBy, changes, keyturn, back } = setUpEnrolment()

/** From the n-th change on, no call is answered, as for a command that was killed. */
function dieAt(n: number, name: string): void {
  let changed = 0
  world.account.refuse(action => {
    if (changingActions.test(action)) changed++
    return changed > n ? { name, message: name } : undefined
  })
}

describe.each([
  ['refused', 'AccessDeniedException'],
  ['throttled', 'ThrottlingException'],
])('%s from any call on', (_, name) => {
  beforeEach(() => vi.stubEnv('AWS_MAX_ATTEMPTS', '1'))

  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
    'after %d changes, the same command completes the enrolment',
    async n => {
      const [{ name: id, arn }, admin] = [await secret({}, officialFunctionArn), await secret()]
      const options: EnrolOptions = { ...singleUserOptions, strategy: 'alternating-users', admin: admin.name }
      dieAt(n, name)
      const died = await keyturn(id, options)
      world.account.refuse()
      if (died.code === 0) expect(n).toBe(8)
      else {
        expect([1, 3]).toContain(died.code)
        expect(died.err).toMatch(
          n === 0 ? /keyturn: / : /Perhaps not undone: |whether the call was done is not known/,
        )
        // At most one of the two rotates the secret.
        if ('keyturn:every' in (await tagsOf(arn))) expect(await turnedBy(arn)).toBeUndefined()
      }
      expect((await keyturn(id, options)).code).toBe(0)
      expect(await tagsOf(arn)).toMatchObject({
        ...{ 'keyturn:managed': 'true', 'keyturn:strategy': 'alternating-users', 'keyturn:every': '30d' },
        'keyturn-before': officialFunctionArn,
      })
      expect(await turnedBy(arn)).toBeUndefined()
      dieAt(n % 4, name)
      await back(id)
      world.account.refuse()
      expect((await back(id)).code).toBe(0)
      expect([await tagsOf(arn), await turnedBy(arn)]).toEqual([
        {},
        { by: officialFunctionArn, rules: rotationRules },
      ])
    },
  )

  test.each([0, 1, 2, 3, 4, 5])('if only call %d fails, everything is undone', async n => {
    const { name: id, arn } = await secret({}, officialFunctionArn)
    let changed = 0
    world.account.refuse(action =>
      changingActions.test(action) && changed++ === n ? { name, message: 'not now' } : undefined,
    )
    const { code, err } = await keyturn(id, { strategy: 'single-user', schedule: 'rate(30 days)', yes: true })
    expect([code, err]).toEqual([
      n === 5 ? expect.any(Number) : name.startsWith('Access') ? 3 : 1,
      expect.any(String),
    ])
    expect([await tagsOf(arn), await turnedBy(arn)]).toEqual([
      {},
      { by: officialFunctionArn, rules: rotationRules },
    ])
  })
})

describe('unenrol', () => {
  test('removes the schedule first and the tag managed last, and leaves tags that describe the credential', async () => {
    world.account.parameters.set('/shop/key', { 'keyturn:engine': 'opaque', team: 'x' })
    await keyturn('/shop/key', { every: '30d', yes: true })
    world.account.sent.length = 0
    expect(await back('/shop/key', { dryRun: true })).toMatchObject({
      code: 0,
      out: expect.stringMatching(/: 3 calls\n/),
    })
    expect(changes()).toEqual([])
    const { code, out } = await back('/shop/key', {}, 'yes')
    expect([code, out]).toEqual([0, expect.stringMatching(/is no longer rotated by Keyturn\n$/)])
    expect(changes()).toEqual([
      'RemoveTagsFromResource keyturn:every',
      'RemoveTagsFromResource keyturn:strategy',
      'RemoveTagsFromResource keyturn:managed',
    ])
    expect(world.account.parameters.get('/shop/key')).toEqual({ 'keyturn:engine': 'opaque', team: 'x' })
    expect(await back('/shop/key')).toMatchObject({ code: 0, out: expect.stringMatching(/was not enrolled/) })
  })

  test('of two users says which users stay, and how to remove the tag of the admin’s secret', async () => {
    const [{ name }, admin] = [await secret(), await secret()]
    await keyturn(name, { ...singleUserOptions, strategy: 'alternating-users', admin: admin.name })
    const { out } = await back(name, { dryRun: true })
    expect(out).toMatch(/keeps the user that the value names now.*_clone; the other user is closed/)
    expect(out).toMatch(/keeps keyturn:admin.*untag-resource --tag-keys keyturn:admin --secret-id ID, which/)
    const record = {
      ...{ store: 'secrets-manager', id: name, name, arn: name, token: 't', startedBy: 'schedule' },
      ...{ execution: arnOf('states', 'execution:keyturn-local-rotate:t'), began: '2026-11-30T01:00:00Z' },
      ...{ outcome: 'rotated', retirement: 'closed', admin: admin.arn },
    } satisfies RotationRecord
    world.played.records = [itemOf(record, 1)]
    expect((await back(name, { dryRun: true })).out).toContain(`--secret-id ${admin.arn}\n`)
    const one = await secret()
    await keyturn(one.name, singleUserOptions)
    world.played.records = []
    expect((await back(one.name, { dryRun: true })).out).not.toMatch(/admin|_clone/)
  })

  test('while a rotation runs keeps the tags that it needs, and says until when', async () => {
    const { name, arn } = await secret({}, functionArn)
    await keyturn(name, { strategy: 'single-user', schedule: 'rate(30 days)', yes: true })
    const token = world.secretsManager.stagePending(arn)
    world.stepFunctions.foreignRunning.add(token)
    const { code, err } = await back(name)
    expect(code).toBe(4)
    expect(err).toMatch(/a rotation of it is running: arn:[\s\S]*Then repeat: keyturn unenrol secret:/)
    expect(await turnedBy(arn)).toBeUndefined()
    expect(await tagsOf(arn)).toMatchObject({ 'keyturn:managed': 'true', 'keyturn:strategy': 'single-user' })
  })

  test('in the grace time of the last rotation waits for its end', async () => {
    const { name, arn } = await secret()
    await keyturn(name, singleUserOptions)
    world.stepFunctions.foreignRunning.add('grace')
    const record = {
      ...{ store: 'secrets-manager', id: name, name, arn, token: 'grace', startedBy: 'schedule' },
      ...{
        execution: arnOf('states', 'execution:keyturn-local-rotate:grace'),
        began: '2026-11-30T01:00:00Z',
      },
      ...{ outcome: 'rotated', retirement: 'open', openUntil: '2026-12-01T01:00:00Z' },
    } satisfies RotationRecord
    world.played.records = [itemOf(record, 1)]
    const { code, err } = await back(name)
    expect([code, err]).toEqual([
      4,
      expect.stringMatching(/a rotation of it is in its grace time until 2026-12-01 01:00 UTC: arn:/),
    ])
    expect(await tagsOf(arn)).toEqual({ 'keyturn:managed': 'true', 'keyturn:strategy': 'single-user' })
    world.stepFunctions.foreignRunning.delete('grace')
    expect((await back(name)).code).toBe(0)
    expect(await tagsOf(arn)).toEqual({})
  })

  test('without the right to ask whether a rotation runs keeps the tags', async () => {
    const { name, arn } = await secret()
    await keyturn(name, singleUserOptions)
    world.account.refuse(action => (action === 'Query' ? { name: 'AccessDeniedException' } : undefined))
    const { code, err } = await back(name)
    expect([code, err]).toEqual([
      4,
      expect.stringMatching(/it is not known whether a rotation of it is running: DynamoDB refuses/),
    ])
    expect(await tagsOf(arn)).toMatchObject({ 'keyturn:managed': 'true' })
  })
})
