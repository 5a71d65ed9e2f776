import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
import {
  AddTagsToResourceCommand,
  GetParameterHistoryCommand,
  GetParametersByPathCommand,
  LabelParameterVersionCommand,
  type ParameterHistory,
  PutParameterCommand,
  type PutParameterCommandInput,
  SSMClient,
} from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { pythonBin } from '../../../local/stack/python.ts'
import {
  InvalidCredential,
  NotPermitted,
  RotationInProgress,
  StoreFailed,
  Superseded,
  Throttled,
  TokenReused,
} from '../../../rotation/errors.ts'
import { parseOptions } from '../../../rotation/options.ts'
import type { Pipeline } from '../../../rotation/pipeline.ts'
import { create } from '../../../rotation/steps.ts'
import { ParameterStore } from '../../../rotation/stores/parameterStore.ts'
import { credential } from '../../support/contracts/store.ts'
import { type Moto, startMoto } from '../../support/moto.ts'

const bin = await pythonBin()

/** Calls that the store makes, and what happens to them. */
type Send = (command: { constructor: { name: string }; input: Record<string, unknown> }) => Promise<unknown>
type Fault = (
  action: string,
  call: () => Promise<unknown>,
  input: Record<string, unknown>,
) => Promise<unknown>

describe.skipIf(!bin)('Parameter Store over moto', () => {
  let moto: Moto
  let raw: SSMClient
  let store: ParameterStore
  let calls: string[]
  let fault: Fault | undefined

  beforeAll(async () => {
    moto = await startMoto(bin ?? '')
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
    const options = { endpoint: moto.url, region: 'eu-west-1', credentials, maxAttempts: 1 }
    raw = new SSMClient(options)
    const client = new SSMClient(options)
    const send = client.send.bind(client) as unknown as Send
    const faulty: Send = command => {
      const action = command.constructor.name.replace('Command', '')
      calls.push(action)
      const call = () => send(command)
      return fault ? fault(action, call, command.input) : call()
    }
    client.send = faulty as never
    store = new ParameterStore(client)
  })
  afterAll(() => moto?.stop())
  beforeEach(() => {
    calls = []
    fault = undefined
  })

  const value = (password: string) => credential(password).serialize()
  const put = (Name: string, input: Partial<PutParameterCommandInput>) =>
    raw.send(new PutParameterCommand({ Name, Value: value('first'), Type: 'SecureString', ...input }))
  const overwrite = (id: string, password: string) => put(id, { Value: value(password), Overwrite: true })
  const label = (Name: string, ParameterVersion: number, ...Labels: string[]) =>
    raw.send(new LabelParameterVersionCommand({ Name, ParameterVersion, Labels }))

  /** A parameter that somebody made by hand: version 1, without labels. */
  async function parameter(input: Partial<PutParameterCommandInput> = {}): Promise<string> {
    const id = `/shop/${randomUUID()}`
    await put(id, input)
    return id
  }

  /** The same, with a rotation under way. */
  async function pending(input: Partial<PutParameterCommandInput> = {}) {
    const [id, token] = [await parameter(input), randomUUID()]
    await store.propose(id, token, credential('next'))
    return { id, token }
  }

  async function history(id: string): Promise<ParameterHistory[]> {
    const entries: ParameterHistory[] = []
    for (let NextToken: string | undefined; ; ) {
      const query = { Name: id, WithDecryption: true, NextToken }
      const page = await raw.send(new GetParameterHistoryCommand(query))
      entries.push(...(page.Parameters ?? []))
      NextToken = page.NextToken
      if (!NextToken) return entries
    }
  }
  const passwords = async (id: string) =>
    (await history(id)).map(({ Value = '' }) => JSON.parse(Value).password)
  const beside = async (id: string) => {
    const query = { Path: `/keyturn/pending${id}`, WithDecryption: true }
    return (await raw.send(new GetParametersByPathCommand(query))).Parameters ?? []
  }

  /** The first call of `action` is `done` instead. */
  function once(action: string, done: Fault): void {
    let over = false
    fault = (name, call, input) => {
      if (over || name !== action) return call()
      over = true
      return done(name, call, input)
    }
  }
  const refusal = (name: string, message = name) =>
    Object.assign(new Error(message), { name, $fault: 'client', $metadata: { requestId: 'r' } })

  describe('a rotation', () => {
    test('of a parameter written by hand: its tokens are the numbers of its versions', async () => {
      const id = await parameter()
      await raw.send(
        new AddTagsToResourceCommand({
          ResourceType: 'Parameter',
          ResourceId: id,
          Tags: [{ Key: 'keyturn:managed', Value: 'true' }],
        }),
      )
      const tags = { 'keyturn:managed': 'true' }
      expect(await store.describe(id)).toEqual({
        current: 'v1',
        pending: undefined,
        previous: undefined,
        tags,
      })
      await overwrite(id, 'second')
      expect(await store.describe(id)).toEqual({ current: 'v2', pending: undefined, previous: 'v1', tags })
      const token = randomUUID()
      await store.propose(id, token, credential('next'))
      await store.promote(id, token, 'v2')
      expect(await store.describe(id)).toEqual({ current: token, pending: undefined, previous: 'v2', tags })
      expect((await history(id)).map(({ Labels }) => Labels?.toSorted())).toEqual([
        [],
        ['previous'],
        ['current', `token-${token}`],
      ])
    })

    test('leaves nothing beside the parameter', async () => {
      const { id, token } = await pending()
      expect((await beside(id)).map(({ Name }) => Name?.split('/').at(-1)).toSorted()).toEqual(
        [token, 'lock'].toSorted(),
      )
      await store.promote(id, token, 'v1')
      expect(await beside(id)).toEqual([])
    })

    test('a reader of the parameter sees nothing of what is pending', async () => {
      const { id } = await pending()
      expect(await passwords(id)).toEqual(['first'])
    })

    test('sends the type, key, tier, pattern and description again, and encrypts what is pending alike', async () => {
      // Looked at on their way: moto keeps what is left out, and AWS does not say that it does.
      const sent: unknown[] = []
      fault = (action, call, input) => {
        if (action === 'PutParameter') sent.push(input)
        return call()
      }
      const encryption = { Type: 'SecureString', KeyId: 'alias/own', Tier: 'Advanced', AllowedPattern: '^{' }
      const kept = { ...encryption, Description: 'of the shop' } as Partial<PutParameterCommandInput>
      const { id, token } = await pending(kept)
      await store.promote(id, token, 'v1')
      const Value = value('next')
      expect(sent).toEqual([
        { ...encryption, Name: `/keyturn/pending${id}/${token}`, Value, Overwrite: false },
        { Name: `/keyturn/pending${id}/lock`, Type: 'String', Value: token, Overwrite: false },
        { ...kept, DataType: 'text', Name: id, Value, Overwrite: true },
      ])
    })

    test('sends every policy again, as they were written', async () => {
      const texts = ['{"Type":"Expiration"}', '{"Type":"NoChangeNotification"}']
      const { id, token } = await pending({ Tier: 'Advanced' })
      let sent: unknown
      fault = async (action, call, input) => {
        if (action === 'PutParameter') sent = input.Policies
        const answer = await call()
        // moto gives back an object instead of a policy's text.
        if (action === 'GetParameterHistory')
          for (const entry of (answer as { Parameters: ParameterHistory[] }).Parameters)
            entry.Policies = texts.map(PolicyText => ({ PolicyText }))
        return answer
      }
      await store.promote(id, token, 'v1')
      expect(sent).toBe(`[${texts}]`)
    })

    test('of a String: it stays one, but what is pending is encrypted', async () => {
      const { id, token } = await pending({ Type: 'String' })
      expect(await beside(id)).toContainEqual(
        expect.objectContaining({ Type: 'SecureString', Value: value('next') }),
      )
      await store.promote(id, token, 'v1')
      expect((await history(id)).at(-1)).toMatchObject({ Type: 'String', Value: value('next') })
      expect((await history(id)).at(-1)?.KeyId).toBeUndefined()
    })

    test('a name without a slash', async () => {
      const [id, token] = [`root-${randomUUID()}`, randomUUID()]
      await put(id, {})
      await store.propose(id, token, credential('next'))
      expect(await store.tokens(id)).toEqual([token, 'v1'])
      await store.promote(id, token, 'v1')
      expect(await store.describe(id)).toMatchObject({ current: token, previous: 'v1' })
    })

    test('parameters below one another do not meet', async () => {
      const { id, token } = await pending()
      const below = `${id}/below`
      await put(below, {})
      const other = randomUUID()
      await store.propose(below, other, credential('other'))
      expect(await store.tokens(id)).toEqual([token, 'v1'])
      expect(await store.tokens(below)).toEqual([other, 'v1'])
    })
  })

  describe('a lost answer', () => {
    const lost: Fault = async (_, call) => {
      await call()
      throw refusal('InternalServerError')
    }

    for (const action of ['PutParameter', 'LabelParameterVersion', 'DeleteParameters'])
      test(`promote: ${action} took effect; again is success, and puts nothing twice`, async () => {
        const { id, token } = await pending()
        once(action, lost)
        await expect(store.promote(id, token, 'v1')).rejects.toThrow(Throttled)
        expect(await store.describe(id)).toMatchObject({ current: token, pending: undefined, previous: 'v1' })
        expect(await store.read(id, { stage: 'current' })).toMatchObject({ token })
        await store.promote(id, token, 'v1')
        expect(await passwords(id)).toEqual(['first', 'next'])
        expect((await history(id)).at(-1)?.Labels).toContain(`token-${token}`)
        expect(await beside(id)).toEqual([])
      })

    test('promote: what a dead one left in the lock does not stop the next rotation', async () => {
      const { id, token } = await pending()
      once('DeleteParameters', async () => Promise.reject(refusal('InternalServerError')))
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Throttled)
      const next = randomUUID()
      await store.propose(id, next, credential('later'))
      expect(await store.describe(id)).toMatchObject({ current: token, pending: next })
    })

    test('propose: either put; again is success, with the first value', async () => {
      for (const put of [1, 2]) {
        const [id, token] = [await parameter(), randomUUID()]
        let seen = 0
        fault = async (action, call) => {
          const answer = await call()
          if (action === 'PutParameter' && ++seen === put) throw refusal('InternalServerError')
          return answer
        }
        await expect(store.propose(id, token, credential('next'))).rejects.toThrow(Throttled)
        await store.propose(id, token, credential('other'))
        expect(await store.read(id, { token, stage: 'pending' })).toMatchObject({ token })
        expect((await store.read(id, { token }))?.credential.password).toBe('next')
      }
    })

    test('discard: again is success', async () => {
      const { id, token } = await pending()
      once('DeleteParameters', lost)
      await expect(store.discard(id, token)).rejects.toThrow(Throttled)
      await store.discard(id, token)
      expect(await store.describe(id)).toMatchObject({ current: 'v1', pending: undefined })
    })
  })

  describe('any one call fails, before or after it took effect', () => {
    const settled = async (id: string) => {
      const { pending, current } = await store.describe(id)
      const read = await store.read(id, { stage: 'current' })
      expect(pending).toBeUndefined()
      expect(read?.token).toBe(current)
      expect(read?.credential.password).toBe((await passwords(id)).at(-1))
      return current
    }
    const rotate = async (id: string, token: string, from: string, retries: number) => {
      const step = async (run: () => Promise<void>) => {
        for (let left = retries; ; left--) {
          try {
            return await run()
          } catch (error) {
            if (!left || !(error instanceof Throttled)) throw error
          }
        }
      }
      await step(() => store.propose(id, token, credential(token)))
      await step(() => store.promote(id, token, from))
    }
    /** At the n-th call, and what comes after it is answered again. */
    const failAt = (n: number, after: boolean) => {
      let seen = 0
      fault = async (_, call) => {
        if (++seen !== n) return call()
        if (after) await call().catch(() => undefined)
        throw refusal('InternalServerError')
      }
    }
    let count: number
    beforeAll(async () => {
      fault = undefined
      calls = []
      await rotate(await parameter(), randomUUID(), 'v1', 0)
      count = calls.length
    })

    for (const after of [false, true])
      test(`and is tried again: it rotates, with one new version (${after ? 'after' : 'before'})`, async () => {
        expect(count).toBeGreaterThan(10)
        for (let n = 1; n <= count; n++) {
          const [id, token] = [await parameter(), randomUUID()]
          failAt(n, after)
          await rotate(id, token, 'v1', 1)
          expect(await settled(id), `call ${n}`).toBe(token)
          expect(await passwords(id)).toEqual(['first', token])
          expect(await beside(id)).toEqual([])
        }
      }, 60_000)

    for (const after of [false, true])
      test(`for good: rolled back or finished, and the next rotation works (${after ? 'after' : 'before'})`, async () => {
        for (let n = 1; n <= count; n++) {
          const [id, token, next] = [await parameter(), randomUUID(), randomUUID()]
          failAt(n, after)
          await expect(rotate(id, token, 'v1', 0), `call ${n}`).rejects.toThrow(Throttled)
          fault = undefined
          // As steps.rollback does.
          if ((await store.describe(id)).current !== token) await store.discard(id, token)
          const current = (await settled(id)) ?? ''
          expect(['v1', token]).toContain(current)
          await rotate(id, next, current, 0)
          expect(await settled(id)).toBe(next)
        }
      }, 60_000)
  })

  describe('somebody else writes the parameter', () => {
    test('before the promotion: Superseded, and their value stays', async () => {
      const { id, token } = await pending()
      await overwrite(id, 'theirs')
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Superseded)
      expect(await passwords(id)).toEqual(['first', 'theirs'])
    })

    test('between our look and our put: their value is put back, and it is Superseded', async () => {
      const { id, token } = await pending()
      once('PutParameter', async (_, call) => {
        await overwrite(id, 'theirs')
        return call()
      })
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Superseded)
      expect(await passwords(id)).toEqual(['first', 'theirs', 'next', 'theirs'])
      expect(await store.describe(id)).toMatchObject({ current: 'v4', pending: token })
      await store.discard(id, token)
      expect(await store.describe(id)).toMatchObject({ current: 'v4', pending: undefined })
    })

    test('the same, and the answer is lost: the next try puts it back', async () => {
      const { id, token } = await pending()
      once('PutParameter', async (_, call) => {
        await overwrite(id, 'theirs')
        await call()
        throw refusal('InternalServerError')
      })
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Throttled)
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Superseded)
      expect((await passwords(id)).at(-1)).toBe('theirs')
    })

    test('and again while theirs is put back: the last one stays', async () => {
      const { id, token } = await pending()
      let writes = 0
      fault = async (action, call) => {
        if (action === 'PutParameter' && ++writes <= 2) await overwrite(id, `theirs ${writes}`)
        return call()
      }
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Superseded)
      expect((await passwords(id)).at(-1)).toBe('theirs 2')
    })

    test('right after our put: it was promoted, and theirs is current', async () => {
      const { id, token } = await pending()
      once('LabelParameterVersion', async (_, call) => {
        await overwrite(id, 'theirs')
        return call()
      })
      await store.promote(id, token, 'v1')
      expect(await store.describe(id)).toMatchObject({ current: 'v3', previous: token, pending: undefined })
    })

    test('it is the same promotion, run twice at once: both succeed', async () => {
      const twice = [
        (id: string, token: string) => store.promote(id, token, 'v1'),
        // The other one has only put so far.
        (id: string) => overwrite(id, 'next'),
      ]
      for (const other of twice) {
        const { id, token } = await pending()
        once('PutParameter', async (_, call) => {
          await other(id, token)
          return call()
        })
        await store.promote(id, token, 'v1')
        expect(await passwords(id)).toEqual(['first', 'next', 'next'])
        expect(await store.describe(id)).toMatchObject({ current: token, pending: undefined })
        expect(await beside(id)).toEqual([])
      }
    })

    test('a rotation that lost the lock to another does not promote', async () => {
      const { id, token } = await pending()
      await store.discard(id, token)
      const rival = randomUUID()
      await store.propose(id, rival, credential('rival'))
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Superseded)
      expect(await passwords(id)).toEqual(['first'])
    })
  })

  describe('100 versions', () => {
    test('a hundred rotations and more: old labels of ours make room', async () => {
      const id = await parameter()
      for (let n = 1, current = 'v1'; n <= 102; n++) {
        const token = randomUUID()
        await store.propose(id, token, credential(`p${n}`))
        await store.promote(id, token, current)
        current = token
      }
      const entries = await history(id)
      expect(entries).toHaveLength(100)
      expect(entries.slice(0, 49).every(({ Labels = [] }) => !Labels.length)).toBe(true)
      expect(await store.describe(id)).toMatchObject({ pending: undefined })
      expect((await store.read(id, { stage: 'previous' }))?.credential.password).toBe('p101')
      expect(await store.tokens(id)).toHaveLength(100)
    }, 120_000)

    test("a label of somebody else's on the oldest is left there: StoreFailed says what to do", async () => {
      const id = await parameter()
      await label(id, 1, 'golden')
      for (let n = 2; n <= 100; n++) await overwrite(id, `p${n}`)
      const token = randomUUID()
      await store.propose(id, token, credential('next'))
      const error = await store.promote(id, token, 'v100').catch(error => error)
      expect(error).toBeInstanceOf(StoreFailed)
      expect(error.message).toContain('the oldest of 100 versions has a label')
      expect((await history(id))[0]?.Labels).toEqual(['golden'])
      expect(await store.describe(id)).toMatchObject({ current: 'v100', pending: token })
    }, 60_000)
  })

  describe('createSecret says what no rotation could come to a good end with, before anything is written', () => {
    const rotating = new Set<string>()
    const create_ = (id: string, token: string = randomUUID()) =>
      create(
        {
          store,
          rotating: async token => rotating.has(token),
          connection: async () => '{"engine":"postgres","host":"db.example.com","username":"app"}',
          defaults: parseOptions({}),
        } as Partial<Pipeline> as Pipeline,
        { id, token },
      )
    const letters = (count: number, prefix = 'x') => Array.from({ length: count }, (_, n) => `${prefix}${n}`)
    /** What the history tells instead, for what moto does not keep. */
    const tells = (entry: Partial<ParameterHistory>) => {
      fault = async (action, call) => {
        const answer = await call()
        if (action === 'GetParameterHistory')
          Object.assign((answer as { Parameters: ParameterHistory[] }).Parameters.at(-1) ?? {}, entry)
        return answer
      }
    }
    const expiring = (Timestamp: Date) => ({
      Policies: [
        { PolicyText: '{"Type":"NoChangeNotification"}' },
        { PolicyText: JSON.stringify({ Type: 'Expiration', Attributes: { Timestamp } }) },
      ],
    })
    async function refused(id: string, field: string, message: RegExp) {
      const token = randomUUID()
      await expect(create_(id, token)).rejects.toMatchObject({
        name: 'InvalidCredential',
        field,
        message: expect.stringMatching(message),
      })
      const written = calls.filter(action => !/^(Get|ListTags)/.test(action))
      expect(written).toEqual([])
    }

    test('all ten labels of current are taken; with one that is free or moves, it rotates', async () => {
      const id = await parameter()
      await label(id, 1, ...letters(10))
      await refused(id, 'labels', /the current version has 10, .* take one of yours off/)
      const [one, token] = [await parameter(), randomUUID()]
      await store.propose(one, token, credential('next'))
      await store.promote(one, token, 'v1')
      await label(one, 2, ...letters(8))
      const next = randomUUID()
      await create_(one, next)
      await store.promote(one, next, token)
      expect((await history(one)).map(({ Labels = [] }) => Labels.includes('previous'))).toEqual([
        false,
        true,
        false,
      ])
    })

    test('ten labels that come while it rotates cost `previous` alone', async () => {
      const { id, token } = await pending()
      await label(id, 1, ...letters(10))
      await store.promote(id, token, 'v1')
      expect(await beside(id)).toEqual([])
      expect(await store.describe(id)).toMatchObject({ current: token, pending: undefined, previous: 'v1' })
    })

    test('nine labels of others on what a dead promotion put: in words', async () => {
      const { id, token } = await pending()
      once('LabelParameterVersion', () => Promise.reject(refusal('InternalServerError')))
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Throttled)
      await label(id, 2, ...letters(9))
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(
        'Parameter Store: version 2 has ten labels; take one of yours off',
      )
    })

    test("somebody's label on the oldest of 100 versions; one of ours is taken off", async () => {
      const id = await parameter()
      await label(id, 1, 'previous')
      for (let n = 2; n <= 100; n++) await overwrite(id, `p${n}`)
      await create_(id)
      const other = await parameter()
      await label(other, 1, 'golden')
      for (let n = 2; n <= 99; n++) await overwrite(other, `p${n}`)
      expect(await store.describe(other)).not.toHaveProperty('unfit')
      await overwrite(other, 'p100')
      calls = []
      await refused(other, 'labels', /^labels: version 1, the oldest of 100, has the label golden/)
    }, 60_000)

    test('twelve levels rotate, thirteen do not', async () => {
      for (const name of [letters(12, randomUUID()), [randomUUID()]])
        await put(`/${name.join('/')}`, {}).then(() => create_(`/${name.join('/')}`))
      const id = `/${letters(13, randomUUID()).join('/')}`
      await put(id, {})
      calls = []
      await refused(id, 'id', /^id: has 13 levels, .* may have 12$/)
    })

    test('957 characters rotate, one more does not', async () => {
      const long = (length: number) => `/${randomUUID().padEnd(length - 1, 'x')}`
      const id = long(957)
      await put(id, {})
      await create_(id)
      const longer = long(958)
      await put(longer, {})
      calls = []
      await refused(longer, 'id', /^id: has 958 characters, .* may have 957$/)
    })

    test.each([
      ['Standard', 4096],
      ['Advanced', 8192],
    ] as const)('a value that the tier %s takes, and the new one is too long', async (Tier, most) => {
      // Of a password of one character it makes one of 32.
      const ofLength = (length: number) => {
        const value = JSON.stringify({ ...JSON.parse(credential('x').serialize()), note: '' })
        return value.replace('"note":""', `"note":"${'n'.repeat(length - value.length)}"`)
      }
      await create_(await parameter({ Tier, Value: ofLength(most - 31) }))
      const id = await parameter({ Tier, Value: ofLength(most - 30) })
      calls = []
      await refused(id, 'value', new RegExp(`^value: would have ${most + 1} characters, .* takes ${most}$`))
    })

    test.each([
      ['ParameterPatternMismatchException', 'value', 'own AllowedPattern, ^x$'],
      ['HierarchyLevelLimitExceededException', 'id', 'too many levels'],
      ['ValidationException', 'id', 'does not take a new value'],
    ])('%s, of the value that is to be pending: in words, and not its own', async (name, field, words) => {
      const id = await parameter({ AllowedPattern: '^x$' })
      once('PutParameter', () => Promise.reject(refusal(name, 'Value Hidden-1 at value')))
      const error = await create_(id).catch(error => error)
      expect(error).toMatchObject({ name: 'InvalidCredential', field })
      expect(error.message).toContain(words)
      expect(inspect(error, { depth: null, showHidden: true })).not.toMatch(/Hidden|Exception/)
      expect(await beside(id)).toEqual([])
    })

    test('a policy that deletes it before the rotation is over; a later one stays', async () => {
      const [soon, later] = [14 * 60_000, 16 * 60_000].map(ms => new Date(Date.now() + ms))
      const id = await parameter({ Tier: 'Advanced' })
      tells(expiring(soon as Date))
      await refused(id, 'policies', /^policies: Expiration deletes the parameter at 20/)
      tells(expiring(later as Date))
      await create_(id)
      const { id: other, token } = await pending({ Tier: 'Advanced' })
      once('PutParameter', () => Promise.reject(refusal('InvalidPolicyAttributeException')))
      await expect(store.promote(other, token, 'v1')).rejects.toMatchObject({ field: 'policies' })
    })

    test('a StringList, and a data type that is none of text', async () => {
      const id = await parameter({ Type: 'StringList' })
      await refused(id, 'type', /^type: is StringList/)
      tells({ DataType: 'aws:ec2:image' })
      await refused(await parameter({ Value: 'ami-1' }), 'data type', /^data type: is aws:ec2:image/)
    })

    test("Keyturn's own path: what is pending does not rotate", async () => {
      const { id, token } = await pending()
      calls = []
      await refused(`/keyturn/pending${id}/${token}`, 'id', /^id: should be none under \/keyturn\/pending\//)
      const like = `/keyturn/pendings/${randomUUID()}`
      await put(like, {})
      await create_(like)
    })

    test('a version, a label, and a secret that is read through Parameter Store, each by its name', async () => {
      const id = await parameter()
      for (const selector of ['3', 'current'])
        await refused(
          `${id}:${selector}`,
          'id',
          new RegExp(`name of the parameter alone, ${id}: .:${selector}.`),
        )
      await refused(
        '/aws/reference/secretsmanager/shop/db',
        'id',
        /^id: names a secret .* \{"store":"secrets-manager","id":"shop\/db"\}$/,
      )
      await refused(`arn:aws:ssm:eu-west-1:123456789012:parameter${id}`, 'id', /not its ARN/)
    })

    test("AWS's JSON with a tag that says that it is a password alone; a password may look like JSON", async () => {
      const tagged = async (Value: string) => {
        const id = await parameter({ Value })
        const Tags = [{ Key: 'keyturn:connection', Value: '/shop/connection' }]
        await raw.send(new AddTagsToResourceCommand({ ResourceType: 'Parameter', ResourceId: id, Tags }))
        return id
      }
      await refused(await tagged(value('Hidden-1')), 'keyturn:connection', /remove the tag/)
      for (const password of ['{"a":1}', 'null', '"password"', '7']) await create_(await tagged(password))
    })

    test('an abandoned rotation is rolled back first, whatever the store would refuse now', async () => {
      const { id, token } = await pending()
      await label(id, 1, ...letters(10))
      await expect(create_(id)).rejects.toMatchObject({ name: 'RotationAbandoned' })
      rotating.add(token)
      await expect(create_(id)).rejects.toMatchObject({ name: 'RotationInProgress' })
      rotating.clear()
      await store.discard(id, token)
      calls = []
      await refused(id, 'labels', /take one of yours off/)
    })

    test('a rotation that has been promoted is told as such, whatever the store would refuse now', async () => {
      const { id, token } = await pending()
      await store.promote(id, token, 'v1')
      await label(id, 2, ...letters(8))
      await label(id, 2, 'current', `token-${token}`)
      tells({ DataType: 'aws:ec2:image' })
      expect(await create_(id, token)).toMatchObject({ token, replaces: 'v1' })
    })

    test('nothing more is called where it goes well', async () => {
      const id = await parameter()
      await create_(id)
      expect(calls.toSorted()).toEqual(
        [
          ...['GetParameterHistory', 'GetParameter', 'ListTagsForResource'],
          ...['GetParameterHistory', 'GetParameter', 'GetParameter'],
          ...['GetParameterHistory', 'GetParameter', 'PutParameter', 'PutParameter'],
        ].toSorted(),
      )
    })
  })

  describe('discarded values', () => {
    test('of the last day stay; older ones go with the next one', async () => {
      const [id, old, young] = [await parameter(), randomUUID(), randomUUID()]
      await store.propose(id, old, credential('old'))
      await store.discard(id, old)
      await store.propose(id, young, credential('young'))
      fault = async (action, call) => {
        const answer = await call()
        if (action === 'GetParametersByPath')
          for (const entry of (answer as { Parameters: { Name: string; LastModifiedDate: Date }[] })
            .Parameters)
            if (entry.Name.endsWith(old)) entry.LastModifiedDate = new Date(Date.now() - 86_400_001)
        return answer
      }
      await store.discard(id, young)
      expect(await store.tokens(id)).toEqual([young, 'v1'])
      expect(await store.read(id, { token: old })).toBeUndefined()
    })

    test('more than one page of them', async () => {
      const id = await parameter()
      const tokens = Array.from({ length: 23 }, () => randomUUID())
      for (const token of tokens) {
        await store.propose(id, token, credential('x'))
        await store.discard(id, token)
      }
      expect(await store.tokens(id)).toEqual([...tokens.toReversed(), 'v1'])
    })
  })

  describe('errors', () => {
    const methods = {
      describe: (id: string) => store.describe(id),
      read: (id: string) => store.read(id, { stage: 'current' }),
      propose: (id: string, token: string) => store.propose(id, token, credential('Hidden-1')),
      promote: (id: string, token: string) => store.promote(id, token, 'v1'),
      discard: (id: string, token: string) => store.discard(id, token),
      tokens: (id: string) => store.tokens(id),
    }
    const names = Object.keys(methods) as (keyof typeof methods)[]

    test.each(names)(
      '%s: each call refused in turn has its own name, and shows no value',
      async name => {
        const kinds = [
          ['AccessDeniedException', NotPermitted],
          ['ThrottlingException', Throttled],
          ['TooManyUpdates', Throttled],
          ['InternalServerError', Throttled],
          ['InvalidKeyId', StoreFailed],
        ] as const
        const { id, token } = await pending()
        calls = []
        // What a good run calls; promote and propose change what the next run finds, so each has its own parameter.
        await methods[name](id, token).catch(() => undefined)
        const count = calls.length
        expect(count).toBeGreaterThan(0)
        for (const [refused, kind] of kinds)
          for (let which = 1; which <= count; which++) {
            const fresh =
              name === 'propose' ? { id: await parameter(), token: randomUUID() } : await pending()
            let n = 0
            let hit = false
            fault = (_, call) => {
              if (++n !== which) return call()
              hit = true
              return Promise.reject(refusal(refused, 'User: x is not authorized'))
            }
            const error = await methods[name](fresh.id, fresh.token).catch(error => error)
            fault = undefined
            if (!hit) continue
            expect(error, `${refused} at call ${which}`).toBeInstanceOf(kind)
            expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
          }
      },
      60_000,
    )

    test.each(names.filter(name => name !== 'discard'))(
      '%s: no such parameter is InvalidCredential',
      async name => {
        const error = await methods[name](`/none/${randomUUID()}`, randomUUID()).catch(error => error)
        expect(error).toBeInstanceOf(InvalidCredential)
        expect(error).toMatchObject({ field: 'id' })
      },
    )

    test('an ARN or a selector is no name', async () => {
      const id = await parameter()
      for (const wrong of [`arn:aws:ssm:eu-west-1:123456789012:parameter${id}`, `${id}:1`])
        await expect(store.describe(wrong)).rejects.toMatchObject({ name: 'InvalidCredential', field: 'id' })
    })

    test('a value that is no credential, without quoting it', async () => {
      const id = await parameter({ Value: 'Hidden-1' })
      const error = await store.read(id, { stage: 'current' }).catch(error => error)
      expect(error).toMatchObject({ name: 'InvalidCredential', field: 'value' })
      expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
    })

    test('a label that is refused in the answer is StoreFailed', async () => {
      const { id, token } = await pending()
      once('LabelParameterVersion', async () => ({ InvalidLabels: [`token-${token}`] }))
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(StoreFailed)
    })

    test('a token that was promoted is not proposed again', async () => {
      const { id, token } = await pending()
      await store.promote(id, token, 'v1')
      await expect(store.propose(id, token, credential('other'))).rejects.toThrow(TokenReused)
    })

    test('the lock is taken between our look and our put: RotationInProgress', async () => {
      const [id, token, rival] = [await parameter(), randomUUID(), randomUUID()]
      once('PutParameter', async (_, call) => {
        await store.propose(id, rival, credential('rival'))
        return call()
      })
      await expect(store.propose(id, token, credential('next'))).rejects.toThrow(RotationInProgress)
      expect(await store.describe(id)).toMatchObject({ pending: rival })
    })
  })
})
