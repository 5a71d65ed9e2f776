import { DynamoDBClient, GetItemCommand, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AlarmClaimed, Ledger, lease } from '../../../functions/alarm/ledger.ts'
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
  /** Claims, and notes that everybody was told. */
  async function tell(key: string, when = at, severity: 'error' | 'critical' = 'error'): Promise<void> {
    const claim = await claimed(key, when, severity)
    await ledger.note(claim, 'topic')
    await ledger.note(claim, 'webhook')
  }

  test('one claims, the others wait, and are told that all is done', async () => {
    const claims = await Promise.allSettled(Array.from({ length: 5 }, () => ledger.claim('one', at, 'error')))
    const refused = claims.flatMap(claim => (claim.status === 'rejected' ? [claim.reason] : []))
    expect(refused).toHaveLength(4)
    for (const reason of refused) expect(reason).toBeInstanceOf(AlarmClaimed)
    const [claim] = claims.flatMap(claim => (claim.status === 'fulfilled' ? [claim.value] : []))
    if (!claim) throw new Error('nobody claimed it')
    expect(await ledger.knows('one', at)).toBe(false)
    await ledger.note(claim, 'topic')
    expect(await ledger.knows('one', at)).toBe(false)
    await ledger.note(claim, 'webhook')
    expect(await ledger.knows('one', at)).toBe(true)
    expect(await ledger.claim('one', at + 10 * minute, 'error')).toBeUndefined()
    await ledger.silence('also', at)
    expect(await ledger.claim('also', at - 10 * minute, 'error')).toBeUndefined()
  })

  test('a claim that died is taken over after its lease, once, with what it had done', async () => {
    const first = await claimed('two')
    now += lease + 1
    const second = await claimed('two')
    expect(second.told.size).toBe(0)
    await expect(ledger.claim('two', at, 'error')).rejects.toThrow(AlarmClaimed)
    // Who lost the claim notes nothing any more.
    await ledger.note(first, 'webhook')
    await ledger.note(second, 'topic')
    now += lease + 1
    expect([...(await claimed('two')).told]).toEqual(['topic'])
  })

  test('a claim that is let go can be taken at once', async () => {
    const claim = await claimed('three')
    await ledger.note(claim, 'webhook')
    await ledger.release(claim)
    expect([...(await claimed('three')).told]).toEqual(['webhook'])
  })

  test('ten minutes before or after is another failure', async () => {
    await tell('four')
    await tell('four', at + 10 * minute + 1)
    await tell('four', at - 10 * minute - 1)
    expect(await ledger.knows('four', at + 10 * minute + 1)).toBe(false)
  })

  test('an error may become critical, and what was critical never an error', async () => {
    await tell('five')
    const critical = await claimed('five', at, 'critical')
    expect(critical.told.size).toBe(0)
    await ledger.note(critical, 'topic')
    await ledger.note(critical, 'webhook')
    expect(await ledger.claim('five', at, 'error')).toBeUndefined()
    expect(await ledger.claim('five', at, 'critical')).toBeUndefined()
    // Also while the error is being told: its notes are not those of the critical.
    const error = await claimed('six')
    const upgraded = await claimed('six', at, 'critical')
    await ledger.note(error, 'topic')
    await ledger.note(error, 'webhook')
    await ledger.note(upgraded, 'topic')
    expect(await item('six')).not.toHaveProperty('toldWebhook')
  })

  test('an item without its fields counts as none, and no call makes one that does not expire', async () => {
    const bare = { id: { S: 'bare' }, toldTopic: { BOOL: true } }
    await dynamo.send(new PutItemCommand({ TableName: 'alarms', Item: bare }))
    expect((await claimed('bare')).told.size).toBe(0)

    // Each call, on an item that is not there.
    const lost = { key: 'lost', by: 'somebody', told: new Set<'topic' | 'webhook'>() }
    await ledger.note(lost, 'topic')
    await ledger.release(lost)
    await ledger.close(lost, at)
    expect(await item('lost')).toBeUndefined()
    await ledger.forget(['a'], at - day)
    expect(await item('late on 2026-11-20')).toBeUndefined()
    await ledger.hear(['a'], at)
    await ledger.open('a', at, 'error')
    await ledger.join('execution-1', 'run-1 db')
    await ledger.leads('execution-1', 'a')
    await ledger.isNews('before a', 'a')
    for (const id of [
      'bare',
      'late on 2026-11-21',
      'open a',
      'run of execution-1',
      'group run-1 db',
      'before a',
    ])
      expect(await item(id), id).toMatchObject({ expiresAt: { N: expect.stringMatching(/^\d+$/) } })
    // Taken over in the moment that it expired.
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

  test('what the last release noted holds', async () => {
    const old = { failedAt: { N: `${at}` }, expiresAt: { N: '1' } }
    const put = (id: string, more: object) =>
      dynamo.send(new PutItemCommand({ TableName: 'alarms', Item: { id: { S: id }, ...old, ...more } }))
    await put('told', { toldAll: { BOOL: true } })
    await put('half told', { toldTopic: { BOOL: true }, leasedUntil: { N: `${now - 1}` } })
    expect(await ledger.claim('told', at, 'error')).toBeUndefined()
    expect([...(await claimed('half told')).told]).toEqual(['topic'])
  })

  test('of those that a run reports on one leads, and still does when it asks again; others lead themselves', async () => {
    for (const name of ['a', 'b', 'c']) await ledger.join(`run-2 ${name}`, 'run-2 db')
    const leads = await Promise.all(['a', 'b', 'c'].map(key => ledger.leads(`run-2 ${key}`, key)))
    expect(leads.filter(Boolean)).toHaveLength(1)
    const leader = ['a', 'b', 'c'][leads.indexOf(true)] ?? ''
    expect(await ledger.leads(`run-2 ${leader}`, leader)).toBe(true)
    expect(await ledger.leads('started by hand', 'd')).toBe(true)
  })

  test('what was there before is news once, for the failure that found it first; again after 90 days', async () => {
    expect(await ledger.isNews('before x', 'a')).toBe(true)
    expect(await ledger.isNews('before x', 'b')).toBe(false)
    expect(await ledger.isNews('before x', 'a')).toBe(true)
    expect(await ledger.isNews('before y', 'b')).toBe(true)
    now += 89 * day
    expect(await ledger.isNews('before x', 'b')).toBe(false)
    now += 2 * day
    expect(await ledger.isNews('before x', 'b')).toBe(true)
    now -= 91 * day
  })

  test('what is late is unheard of until it was told, day by day', async () => {
    const when = at + 3 * day
    expect(await ledger.unheard(['x', 'y'], when)).toEqual(['x', 'y'])
    await ledger.hear(['x', 'y'], when)
    expect(await ledger.unheard(['y'], when)).toEqual([])
    expect(await ledger.unheard(['y', 'z'], when)).toEqual(['z'])
    expect(await ledger.unheard(['y'], when + day)).toEqual(['y'])
    await ledger.forget(['y', 'w'], when)
    expect(await ledger.unheard(['x', 'y'], when)).toEqual(['y'])
    await ledger.forget(['x'], when)
    await ledger.hear(['y'], when)
    expect(await ledger.unheard(['x', 'y'], when)).toEqual(['x'])
    // However many there are, they fit into an item.
    await ledger.hear(
      Array.from({ length: 5_000 }, (_, n) => `${'x'.repeat(200)}/${n}`),
      when + day,
    )
    expect(await ledger.unheard(['y', `${'x'.repeat(200)}/4999`], when + day)).toEqual(['y'])
  })

  describe('a failure that is open', () => {
    const key = () => `secrets-manager ${Math.random()}`

    test('is made up for by a later success, once', async () => {
      const credential = key()
      expect(await ledger.mend(credential, at)).toBeUndefined()
      await ledger.open(credential, at, 'error')
      await ledger.open(credential, at + minute, 'critical')
      expect(await ledger.mend(credential, at)).toBeUndefined()
      const claim = await ledger.mend(credential, at + 2 * minute)
      expect(claim?.severities.toSorted()).toEqual(['critical', 'error'])
      expect(claim?.failedAt).toBe(at + minute)
      await expect(ledger.mend(credential, at + 2 * minute)).rejects.toThrow(AlarmClaimed)
      if (claim) await ledger.note(claim, 'topic')
      now += lease + 1
      const again = await ledger.mend(credential, at + 2 * minute)
      expect([...(again?.told ?? [])]).toEqual(['topic'])
      if (again) await ledger.close(again, at + 2 * minute)
      expect(await ledger.mend(credential, at + 3 * minute)).toBeUndefined()
    })

    test('one that is told late finds that it was made up for; a later one is open again', async () => {
      const credential = key()
      await ledger.open(credential, at, 'error')
      const claim = await ledger.mend(credential, at + minute)
      if (claim) await ledger.close(claim, at + minute)
      expect(await ledger.open(credential, at, 'error')).toBe(false)
      expect(await ledger.open(credential, at + 2 * minute, 'error')).toBe(true)
      expect((await ledger.mend(credential, at + 3 * minute))?.severities).toEqual(['error'])
    })

    test('is forgotten after 90 days', async () => {
      const credential = key()
      await ledger.open(credential, at, 'error')
      now += 91 * day
      expect(await ledger.mend(credential, now)).toBeUndefined()
      now -= 91 * day
    })
  })

  test('a table that hangs takes as long as it may, whatever is asked of it', async () => {
    const silent = new DynamoDBClient({
      endpoint: 'http://127.0.0.1:9',
      region: 'eu-west-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      requestHandler: {
        handle: (_: unknown, options: { abortSignal?: AbortSignal }) => aborted(options.abortSignal),
      },
    })
    const bound = new Ledger(new LedgerTable(silent, 'alarms')).within(300)
    const begin = Date.now()
    for (const call of [
      () => bound.claim('a', at, 'error'),
      () => bound.open('a', at, 'error'),
      () => bound.knows('a', at),
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
