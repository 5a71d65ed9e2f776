import { DynamoDBClient, GetItemCommand, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AlarmClaimed, LEASE_MS, Ledger } from '../../../functions/alarm/ledger.ts'
import { LedgerTable } from '../../../functions/alarm/ledgerTable.ts'
import { pythonBin } from '../../../local/stack/python.ts'
import { makeLedgerTable } from '../../support/alarms.ts'
import { startMoto } from '../../support/moto.ts'

const bin = await pythonBin()
const moto = bin ? await startMoto(bin) : undefined
afterAll(() => moto?.stop())

describe.skipIf(!moto)('the ledger', () => {
  const dynamo = new DynamoDBClient({
    ...(moto && { endpoint: moto.url }),
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  })
  const minute = 60_000
  const day = 24 * 60 * minute
  const at = Date.parse('2026-11-21T10:00:00Z')
  let now = at
  const ledger = new Ledger(new LedgerTable(dynamo, 'alarms'), () => now)

  beforeAll(async () => {
    await makeLedgerTable(dynamo)
  })

  const item = async (id: string) =>
    (await dynamo.send(new GetItemCommand({ TableName: 'alarms', Key: { id: { S: id } } }))).Item
  async function claimed(key: string, when = at, severity: 'error' | 'critical' = 'error') {
    const claim = await ledger.claim(key, when, severity)
    if (!claim) throw new Error('everybody was told')
    return claim
  }
  /** Claims a failure, and notes that every outlet was told. */
  async function tell(key: string, when = at, severity: 'error' | 'critical' = 'error'): Promise<void> {
    const claim = await claimed(key, when, severity)
    await ledger.markOutletTold(claim, 'topic')
    await ledger.markOutletTold(claim, 'webhook')
  }

  test('one invocation claims a failure, and the others wait and then find everything done', async () => {
    const claims = await Promise.allSettled(Array.from({ length: 5 }, () => ledger.claim('one', at, 'error')))
    const refused = claims.flatMap(claim => (claim.status === 'rejected' ? [claim.reason] : []))
    expect(refused).toHaveLength(4)
    for (const reason of refused) expect(reason).toBeInstanceOf(AlarmClaimed)
    const [claim] = claims.flatMap(claim => (claim.status === 'fulfilled' ? [claim.value] : []))
    if (!claim) throw new Error('nobody claimed it')
    expect(await ledger.wasTold('one', at)).toBe(false)
    await ledger.markOutletTold(claim, 'topic')
    expect(await ledger.wasTold('one', at)).toBe(false)
    await ledger.markOutletTold(claim, 'webhook')
    expect(await ledger.wasTold('one', at)).toBe(true)
    expect(await ledger.claim('one', at + 10 * minute, 'error')).toBeUndefined()
    await ledger.markTold('also', at)
    expect(await ledger.claim('also', at - 10 * minute, 'error')).toBeUndefined()
  })

  test('the claim of a dead invocation is taken over once after its lease, with what it had done', async () => {
    const first = await claimed('two')
    now += LEASE_MS + 1
    const second = await claimed('two')
    expect(second.toldOutlets.size).toBe(0)
    await expect(ledger.claim('two', at, 'error')).rejects.toThrow(AlarmClaimed)
    // An invocation that lost the claim can no longer write notes.
    await ledger.markOutletTold(first, 'webhook')
    await ledger.markOutletTold(second, 'topic')
    now += LEASE_MS + 1
    expect([...(await claimed('two')).toldOutlets]).toEqual(['topic'])
  })

  test('a released claim can be taken at once', async () => {
    const claim = await claimed('three')
    await ledger.markOutletTold(claim, 'webhook')
    await ledger.releaseClaim(claim)
    expect([...(await claimed('three')).toldOutlets]).toEqual(['webhook'])
  })

  test('ten minutes before or after is another failure', async () => {
    await tell('four')
    await tell('four', at + 10 * minute + 1)
    await tell('four', at - 10 * minute - 1)
    expect(await ledger.wasTold('four', at + 10 * minute + 1)).toBe(false)
  })

  test('an error may become critical, and a critical failure never an error again', async () => {
    await tell('five')
    const critical = await claimed('five', at, 'critical')
    expect(critical.toldOutlets.size).toBe(0)
    await ledger.markOutletTold(critical, 'topic')
    await ledger.markOutletTold(critical, 'webhook')
    expect(await ledger.claim('five', at, 'error')).toBeUndefined()
    expect(await ledger.claim('five', at, 'critical')).toBeUndefined()
    // This holds also while the error is being told, whose notes are separate.
    const error = await claimed('six')
    const upgraded = await claimed('six', at, 'critical')
    await ledger.markOutletTold(error, 'topic')
    await ledger.markOutletTold(error, 'webhook')
    await ledger.markOutletTold(upgraded, 'topic')
    expect(await item('six')).not.toHaveProperty('toldWebhook')
  })

  test('an item without its attributes counts as missing, and no call makes an item that does not expire', async () => {
    const bare = { id: { S: 'bare' }, toldTopic: { BOOL: true } }
    await dynamo.send(new PutItemCommand({ TableName: 'alarms', Item: bare }))
    expect((await claimed('bare')).toldOutlets.size).toBe(0)

    // Each call, on an item that does not exist.
    const lost = { key: 'lost', claimedBy: 'somebody', toldOutlets: new Set<'topic' | 'webhook'>() }
    await ledger.markOutletTold(lost, 'topic')
    await ledger.releaseClaim(lost)
    await ledger.closeFailure(lost, at)
    expect(await item('lost')).toBeUndefined()
    await ledger.markFindingsUntold(['a'], at - day)
    expect(await item('late on 2026-11-20')).toBeUndefined()
    await ledger.markFindingsTold(['a'], at)
    await ledger.openFailure('a', at, 'error')
    await ledger.assignToGroup('execution-1', 'run-1 db')
    await ledger.isFirstOfGroup('execution-1', 'a')
    await ledger.isFirstToFind('before a', 'a')
    for (const id of [
      'bare',
      'late on 2026-11-21',
      'open a',
      'run of execution-1',
      'group run-1 db',
      'before a',
    ])
      expect(await item(id), id).toMatchObject({ expiresAt: { N: expect.stringMatching(/^\d+$/) } })
    // Taken over at the moment of its expiry.
    await dynamo.send(
      new UpdateItemCommand({
        TableName: 'alarms',
        Key: { id: { S: 'bare' } },
        UpdateExpression: 'REMOVE leasedUntil, expiresAt',
      }),
    )
    await claimed('bare')
    expect(await item('bare')).toHaveProperty('expiresAt')
  })

  test('the items of the last release are valid', async () => {
    const old = { failedAt: { N: `${at}` }, expiresAt: { N: '1' } }
    const put = (id: string, more: object) =>
      dynamo.send(new PutItemCommand({ TableName: 'alarms', Item: { id: { S: id }, ...old, ...more } }))
    await put('told', { toldAll: { BOOL: true } })
    await put('half told', { toldTopic: { BOOL: true }, leasedUntil: { N: `${now - 1}` } })
    expect(await ledger.claim('told', at, 'error')).toBeUndefined()
    expect([...(await claimed('half told')).toldOutlets]).toEqual(['topic'])
  })

  test('one failure of a run leads, also if it asks again, and failures outside the run lead themselves', async () => {
    for (const name of ['a', 'b', 'c']) await ledger.assignToGroup(`run-2 ${name}`, 'run-2 db')
    const leads = await Promise.all(['a', 'b', 'c'].map(key => ledger.isFirstOfGroup(`run-2 ${key}`, key)))
    expect(leads.filter(Boolean)).toHaveLength(1)
    const leader = ['a', 'b', 'c'][leads.indexOf(true)] ?? ''
    expect(await ledger.isFirstOfGroup(`run-2 ${leader}`, leader)).toBe(true)
    expect(await ledger.isFirstOfGroup('started by hand', 'd')).toBe(true)
  })

  test('a lockout from before is new once, for the failure that found it first, and again after 90 days', async () => {
    expect(await ledger.isFirstToFind('before x', 'a')).toBe(true)
    expect(await ledger.isFirstToFind('before x', 'b')).toBe(false)
    expect(await ledger.isFirstToFind('before x', 'a')).toBe(true)
    expect(await ledger.isFirstToFind('before y', 'b')).toBe(true)
    now += 89 * day
    expect(await ledger.isFirstToFind('before x', 'b')).toBe(false)
    now += 2 * day
    expect(await ledger.isFirstToFind('before x', 'b')).toBe(true)
    now -= 91 * day
  })

  test('a late credential is new on each day until it was told', async () => {
    const when = at + 3 * day
    expect(await ledger.untoldFindings(['x', 'y'], when)).toEqual(['x', 'y'])
    await ledger.markFindingsTold(['x', 'y'], when)
    expect(await ledger.untoldFindings(['y'], when)).toEqual([])
    expect(await ledger.untoldFindings(['y', 'z'], when)).toEqual(['z'])
    expect(await ledger.untoldFindings(['y'], when + day)).toEqual(['y'])
    await ledger.markFindingsUntold(['y', 'w'], when)
    expect(await ledger.untoldFindings(['x', 'y'], when)).toEqual(['y'])
    await ledger.markFindingsUntold(['x'], when)
    await ledger.markFindingsTold(['y'], when)
    expect(await ledger.untoldFindings(['x', 'y'], when)).toEqual(['x'])
    // Any number of them fits into an item.
    await ledger.markFindingsTold(
      Array.from({ length: 5_000 }, (_, n) => `${'x'.repeat(200)}/${n}`),
      when + day,
    )
    expect(await ledger.untoldFindings(['y', `${'x'.repeat(200)}/4999`], when + day)).toEqual(['y'])
  })

  describe('a failure that is open', () => {
    const key = () => `secrets-manager ${Math.random()}`

    test('is closed by a later success, once', async () => {
      const credential = key()
      expect(await ledger.claimRecovery(credential, at)).toBeUndefined()
      await ledger.openFailure(credential, at, 'error')
      await ledger.openFailure(credential, at + minute, 'critical')
      expect(await ledger.claimRecovery(credential, at)).toBeUndefined()
      const claim = await ledger.claimRecovery(credential, at + 2 * minute)
      expect(claim?.severities.toSorted()).toEqual(['critical', 'error'])
      expect(claim?.failedAt).toBe(at + minute)
      await expect(ledger.claimRecovery(credential, at + 2 * minute)).rejects.toThrow(AlarmClaimed)
      if (claim) await ledger.markOutletTold(claim, 'topic')
      now += LEASE_MS + 1
      const again = await ledger.claimRecovery(credential, at + 2 * minute)
      expect([...(again?.toldOutlets ?? [])]).toEqual(['topic'])
      if (again) await ledger.closeFailure(again, at + 2 * minute)
      expect(await ledger.claimRecovery(credential, at + 3 * minute)).toBeUndefined()
    })

    test('is found closed if it is told after the success, and a later failure is open again', async () => {
      const credential = key()
      await ledger.openFailure(credential, at, 'error')
      const claim = await ledger.claimRecovery(credential, at + minute)
      if (claim) await ledger.closeFailure(claim, at + minute)
      expect(await ledger.openFailure(credential, at, 'error')).toBe(false)
      expect(await ledger.openFailure(credential, at + 2 * minute, 'error')).toBe(true)
      expect((await ledger.claimRecovery(credential, at + 3 * minute))?.severities).toEqual(['error'])
    })

    test('is forgotten after 90 days', async () => {
      const credential = key()
      await ledger.openFailure(credential, at, 'error')
      now += 91 * day
      expect(await ledger.claimRecovery(credential, now)).toBeUndefined()
      now -= 91 * day
    })
  })

  test('a table that hangs costs only the time limit, at any call', async () => {
    const silent = new DynamoDBClient({
      endpoint: 'http://127.0.0.1:9',
      region: 'eu-west-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      requestHandler: {
        handle: (_: unknown, options: { abortSignal?: AbortSignal }) => aborted(options.abortSignal),
      },
    })
    const bound = new Ledger(new LedgerTable(silent, 'alarms')).withTimeout(300)
    const begin = Date.now()
    for (const call of [
      () => bound.claim('a', at, 'error'),
      () => bound.openFailure('a', at, 'error'),
      () => bound.wasTold('a', at),
    ])
      await expect(call()).rejects.toThrow()
    expect(Date.now() - begin).toBeLessThan(1_000)
  })
})

const aborted = (signal: AbortSignal | undefined) =>
  new Promise<never>((_, reject) => {
    const end = () => reject(Object.assign(new Error('aborted'), { name: 'AbortError' }))
    if (signal?.aborted) end()
    signal?.addEventListener('abort', end)
  })
