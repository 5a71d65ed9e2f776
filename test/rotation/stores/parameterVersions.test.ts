import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { StoreFailed, Superseded, Throttled } from '../../../rotation/errors.ts'
import { credential } from '../../support/contracts/store.ts'
import {
  beside,
  bin,
  faults,
  history,
  label,
  once,
  overwrite,
  parameter,
  passwords,
  pending,
  refusal,
  store,
} from '../../support/parameters.ts'

describe.skipIf(!bin)('Parameter Store over moto', () => {
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
      faults.each = async (action, call) => {
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

  describe('discarded values', () => {
    test('of the last day stay; older ones go with the next one', async () => {
      const [id, old, young] = [await parameter(), randomUUID(), randomUUID()]
      await store.propose(id, old, credential('old'))
      await store.discard(id, old)
      await store.propose(id, young, credential('young'))
      faults.each = async (action, call) => {
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
})
