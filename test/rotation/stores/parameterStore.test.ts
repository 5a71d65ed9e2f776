import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
import {
  AddTagsToResourceCommand,
  type ParameterHistory,
  type PutParameterCommandInput,
} from '@aws-sdk/client-ssm'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  InvalidCredential,
  NotPermitted,
  RotationInProgress,
  StoreFailed,
  Throttled,
  TokenReused,
} from '../../../rotation/errors.ts'
import { credentialWith } from '../../support/contracts/store.ts'
import {
  bin,
  calls,
  type Fault,
  faultOnce,
  makeParameter,
  makePendingParameter,
  overwriteParameter,
  putParameter,
  readHistory,
  readPasswords,
  readPendingParameters,
  ssmClient,
  ssmError,
  store,
  storeFaults,
  valueWith,
} from '../../support/parameterStore.ts'

describe.skipIf(!bin)('Parameter Store over moto', () => {
  describe('a rotation', () => {
    test('of a parameter written by hand has the numbers of its versions as tokens', async () => {
      const id = await makeParameter()
      await ssmClient.send(
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
      await overwriteParameter(id, 'second')
      expect(await store.describe(id)).toEqual({ current: 'v2', pending: undefined, previous: 'v1', tags })
      const token = randomUUID()
      await store.propose(id, token, credentialWith('next'))
      await store.promote(id, token, 'v2')
      expect(await store.describe(id)).toEqual({ current: token, pending: undefined, previous: 'v2', tags })
      expect((await readHistory(id)).map(({ Labels }) => Labels?.toSorted())).toEqual([
        [],
        ['previous'],
        ['current', `token-${token}`],
      ])
    })

    test('leaves nothing beside the parameter', async () => {
      const { id, token } = await makePendingParameter()
      expect((await readPendingParameters(id)).map(({ Name }) => Name?.split('/').at(-1)).toSorted()).toEqual(
        [token, 'lock'].toSorted(),
      )
      await store.promote(id, token, 'v1')
      expect(await readPendingParameters(id)).toEqual([])
    })

    test('shows a reader of the parameter nothing of the pending value', async () => {
      const { id } = await makePendingParameter()
      expect(await readPasswords(id)).toEqual(['first'])
    })

    test('writes type, key, tier, pattern and description again, and encrypts the pending value alike', async () => {
      // Looked at on their way: moto keeps what is left out, and AWS does not say that it does.
      const sent: unknown[] = []
      storeFaults.each = (action, call, input) => {
        if (action === 'PutParameter') sent.push(input)
        return call()
      }
      const encryption = { Type: 'SecureString', KeyId: 'alias/own', Tier: 'Advanced', AllowedPattern: '^{' }
      const kept = { ...encryption, Description: 'of the shop' } as Partial<PutParameterCommandInput>
      const { id, token } = await makePendingParameter(kept)
      await store.promote(id, token, 'v1')
      const Value = valueWith('next')
      expect(sent).toEqual([
        { ...encryption, Name: `/keyturn/pending${id}/${token}`, Value, Overwrite: false },
        { Name: `/keyturn/pending${id}/lock`, Type: 'String', Value: token, Overwrite: false },
        { ...kept, DataType: 'text', Name: id, Value, Overwrite: true },
      ])
    })

    test('writes every policy again, as it was written', async () => {
      const texts = ['{"Type":"Expiration"}', '{"Type":"NoChangeNotification"}']
      const { id, token } = await makePendingParameter({ Tier: 'Advanced' })
      let sent: unknown
      storeFaults.each = async (action, call, input) => {
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

    test('of a String keeps the type, and encrypts the pending value', async () => {
      const { id, token } = await makePendingParameter({ Type: 'String' })
      expect(await readPendingParameters(id)).toContainEqual(
        expect.objectContaining({ Type: 'SecureString', Value: valueWith('next') }),
      )
      await store.promote(id, token, 'v1')
      expect((await readHistory(id)).at(-1)).toMatchObject({ Type: 'String', Value: valueWith('next') })
      expect((await readHistory(id)).at(-1)?.KeyId).toBeUndefined()
    })

    test('works for a name without a slash', async () => {
      const [id, token] = [`root-${randomUUID()}`, randomUUID()]
      await putParameter(id, {})
      await store.propose(id, token, credentialWith('next'))
      expect(await store.listTokens(id)).toEqual([token, 'v1'])
      await store.promote(id, token, 'v1')
      expect(await store.describe(id)).toMatchObject({ current: token, previous: 'v1' })
    })

    test('works for two parameters of which one is below the other', async () => {
      const { id, token } = await makePendingParameter()
      const below = `${id}/below`
      await putParameter(below, {})
      const other = randomUUID()
      await store.propose(below, other, credentialWith('other'))
      expect(await store.listTokens(id)).toEqual([token, 'v1'])
      expect(await store.listTokens(below)).toEqual([other, 'v1'])
    })
  })

  describe('after a lost answer', () => {
    const lost: Fault = async (_, call) => {
      await call()
      throw ssmError('InternalServerError')
    }

    for (const action of ['PutParameter', 'LabelParameterVersion', 'DeleteParameters'])
      test(`promote succeeds again and writes nothing twice, after ${action} took effect`, async () => {
        const { id, token } = await makePendingParameter()
        faultOnce(action, lost)
        await expect(store.promote(id, token, 'v1')).rejects.toThrow(Throttled)
        expect(await store.describe(id)).toMatchObject({ current: token, pending: undefined, previous: 'v1' })
        expect(await store.read(id, { stage: 'current' })).toMatchObject({ token })
        await store.promote(id, token, 'v1')
        expect(await readPasswords(id)).toEqual(['first', 'next'])
        expect((await readHistory(id)).at(-1)?.Labels).toContain(`token-${token}`)
        expect(await readPendingParameters(id)).toEqual([])
      })

    test('the lock of a promote that died does not stop the next rotation', async () => {
      const { id, token } = await makePendingParameter()
      faultOnce('DeleteParameters', async () => Promise.reject(ssmError('InternalServerError')))
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Throttled)
      const next = randomUUID()
      await store.propose(id, next, credentialWith('later'))
      expect(await store.describe(id)).toMatchObject({ current: token, pending: next })
    })

    test('propose succeeds again with the first value, after either write', async () => {
      for (const put of [1, 2]) {
        const [id, token] = [await makeParameter(), randomUUID()]
        let seen = 0
        storeFaults.each = async (action, call) => {
          const answer = await call()
          if (action === 'PutParameter' && ++seen === put) throw ssmError('InternalServerError')
          return answer
        }
        await expect(store.propose(id, token, credentialWith('next'))).rejects.toThrow(Throttled)
        await store.propose(id, token, credentialWith('other'))
        expect(await store.read(id, { token, stage: 'pending' })).toMatchObject({ token })
        expect((await store.read(id, { token }))?.credential.password).toBe('next')
      }
    })

    test('discard succeeds again', async () => {
      const { id, token } = await makePendingParameter()
      faultOnce('DeleteParameters', lost)
      await expect(store.discard(id, token)).rejects.toThrow(Throttled)
      await store.discard(id, token)
      expect(await store.describe(id)).toMatchObject({ current: 'v1', pending: undefined })
    })
  })

  describe('if any one call fails, before or after it took effect,', () => {
    const settled = async (id: string) => {
      const { pending, current } = await store.describe(id)
      const read = await store.read(id, { stage: 'current' })
      expect(pending).toBeUndefined()
      expect(read?.token).toBe(current)
      expect(read?.credential.password).toBe((await readPasswords(id)).at(-1))
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
      await step(() => store.propose(id, token, credentialWith(token)))
      await step(() => store.promote(id, token, from))
    }
    /** Has the n-th call fail, and no other. */
    const failAt = (n: number, after: boolean) => {
      let seen = 0
      storeFaults.each = async (_, call) => {
        if (++seen !== n) return call()
        if (after) await call().catch(() => undefined)
        throw ssmError('InternalServerError')
      }
    }
    let count: number
    beforeAll(async () => {
      storeFaults.each = undefined
      calls.length = 0
      await rotate(await makeParameter(), randomUUID(), 'v1', 0)
      count = calls.length
    })

    for (const after of [false, true])
      test(`and is tried again, the rotation succeeds with one new version (${after ? 'after' : 'before'})`, async () => {
        expect(count).toBeGreaterThan(10)
        for (let n = 1; n <= count; n++) {
          const [id, token] = [await makeParameter(), randomUUID()]
          failAt(n, after)
          await rotate(id, token, 'v1', 1)
          expect(await settled(id), `call ${n}`).toBe(token)
          expect(await readPasswords(id)).toEqual(['first', token])
          expect(await readPendingParameters(id)).toEqual([])
        }
      }, 60_000)

    for (const after of [false, true])
      test(`and is not tried again, the next rotation succeeds (${after ? 'after' : 'before'})`, async () => {
        for (let n = 1; n <= count; n++) {
          const [id, token, next] = [await makeParameter(), randomUUID(), randomUUID()]
          failAt(n, after)
          await expect(rotate(id, token, 'v1', 0), `call ${n}`).rejects.toThrow(Throttled)
          storeFaults.each = undefined
          // As steps.rollback does.
          if ((await store.describe(id)).current !== token) await store.discard(id, token)
          const current = (await settled(id)) ?? ''
          expect(['v1', token]).toContain(current)
          await rotate(id, next, current, 0)
          expect(await settled(id)).toBe(next)
        }
      }, 60_000)
  })

  describe('errors', () => {
    const methods = {
      describe: (id: string) => store.describe(id),
      read: (id: string) => store.read(id, { stage: 'current' }),
      propose: (id: string, token: string) => store.propose(id, token, credentialWith('Hidden-1')),
      promote: (id: string, token: string) => store.promote(id, token, 'v1'),
      discard: (id: string, token: string) => store.discard(id, token),
      tokens: (id: string) => store.listTokens(id),
    }
    const names = Object.keys(methods) as (keyof typeof methods)[]

    test.each(names)(
      '%s throws its own error for each refused call, which shows no value',
      async name => {
        const kinds = [
          ['AccessDeniedException', NotPermitted],
          ['ThrottlingException', Throttled],
          ['TooManyUpdates', Throttled],
          ['InternalServerError', Throttled],
          ['InvalidKeyId', StoreFailed],
        ] as const
        const { id, token } = await makePendingParameter()
        calls.length = 0
        // What a good run calls; promote and propose change what the next run finds, so each has its own parameter.
        await methods[name](id, token).catch(() => undefined)
        const count = calls.length
        expect(count).toBeGreaterThan(0)
        for (const [refused, kind] of kinds)
          for (let which = 1; which <= count; which++) {
            const fresh =
              name === 'propose'
                ? { id: await makeParameter(), token: randomUUID() }
                : await makePendingParameter()
            let n = 0
            let hit = false
            storeFaults.each = (_, call) => {
              if (++n !== which) return call()
              hit = true
              return Promise.reject(ssmError(refused, 'User: x is not authorized'))
            }
            const error = await methods[name](fresh.id, fresh.token).catch(error => error)
            storeFaults.each = undefined
            if (!hit) continue
            expect(error, `${refused} at call ${which}`).toBeInstanceOf(kind)
            expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
          }
      },
      60_000,
    )

    test.each(names.filter(name => name !== 'discard'))(
      '%s throws InvalidCredential if the parameter does not exist',
      async name => {
        const error = await methods[name](`/none/${randomUUID()}`, randomUUID()).catch(error => error)
        expect(error).toBeInstanceOf(InvalidCredential)
        expect(error).toMatchObject({ field: 'id' })
      },
    )

    test('a name that is an ARN or has a selector throws InvalidCredential', async () => {
      const id = await makeParameter()
      for (const wrong of [`arn:aws:ssm:eu-west-1:123456789012:parameter${id}`, `${id}:1`])
        await expect(store.describe(wrong)).rejects.toMatchObject({ name: 'InvalidCredential', field: 'id' })
    })

    test('a value that is no credential throws InvalidCredential, which does not quote it', async () => {
      const id = await makeParameter({ Value: 'Hidden-1' })
      const error = await store.read(id, { stage: 'current' }).catch(error => error)
      expect(error).toMatchObject({ name: 'InvalidCredential', field: 'value' })
      expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
    })

    test('a label that the answer calls invalid throws StoreFailed', async () => {
      const { id, token } = await makePendingParameter()
      faultOnce('LabelParameterVersion', async () => ({ InvalidLabels: [`token-${token}`] }))
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(StoreFailed)
    })

    test('a token that was promoted throws TokenReused if it is proposed again', async () => {
      const { id, token } = await makePendingParameter()
      await store.promote(id, token, 'v1')
      await expect(store.propose(id, token, credentialWith('other'))).rejects.toThrow(TokenReused)
    })

    test('a lock that another rotation takes at the same moment throws RotationInProgress', async () => {
      const [id, token, rival] = [await makeParameter(), randomUUID(), randomUUID()]
      faultOnce('PutParameter', async (_, call) => {
        await store.propose(id, rival, credentialWith('rival'))
        return call()
      })
      await expect(store.propose(id, token, credentialWith('next'))).rejects.toThrow(RotationInProgress)
      expect(await store.describe(id)).toMatchObject({ pending: rival })
    })
  })
})
