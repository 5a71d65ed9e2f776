import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { StoreFailed, Superseded, Throttled } from '../../../rotation/errors.ts'
import { credentialWith } from '../../support/contracts/store.ts'
import {
  bin,
  faultOnce,
  labelVersion,
  makeParameter,
  makePendingParameter,
  overwriteParameter,
  readHistory,
  readPasswords,
  readPendingParameters,
  ssmError,
  store,
  storeFaults,
} from '../../support/parameterStore.ts'

describe.skipIf(!bin)('Parameter Store over moto', () => {
  describe('if somebody else writes the parameter', () => {
    test('before the promotion, Superseded is thrown, and their value stays', async () => {
      const { id, token } = await makePendingParameter()
      await overwriteParameter(id, 'theirs')
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Superseded)
      expect(await readPasswords(id)).toEqual(['first', 'theirs'])
    })

    test('between our read and our write, their value is put back, and Superseded is thrown', async () => {
      const { id, token } = await makePendingParameter()
      faultOnce('PutParameter', async (_, call) => {
        await overwriteParameter(id, 'theirs')
        return call()
      })
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Superseded)
      expect(await readPasswords(id)).toEqual(['first', 'theirs', 'next', 'theirs'])
      expect(await store.describe(id)).toMatchObject({ current: 'v4', pending: token })
      await store.discard(id, token)
      expect(await store.describe(id)).toMatchObject({ current: 'v4', pending: undefined })
    })

    test('between our read and our write, whose answer is lost, the next try puts their value back', async () => {
      const { id, token } = await makePendingParameter()
      faultOnce('PutParameter', async (_, call) => {
        await overwriteParameter(id, 'theirs')
        await call()
        throw ssmError('InternalServerError')
      })
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Throttled)
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Superseded)
      expect((await readPasswords(id)).at(-1)).toBe('theirs')
    })

    test('while their value is put back, the last value stays', async () => {
      const { id, token } = await makePendingParameter()
      let writes = 0
      storeFaults.each = async (action, call) => {
        if (action === 'PutParameter' && ++writes <= 2) await overwriteParameter(id, `theirs ${writes}`)
        return call()
      }
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Superseded)
      expect((await readPasswords(id)).at(-1)).toBe('theirs 2')
    })

    test('right after our write, ours was promoted, and theirs is current', async () => {
      const { id, token } = await makePendingParameter()
      faultOnce('LabelParameterVersion', async (_, call) => {
        await overwriteParameter(id, 'theirs')
        return call()
      })
      await store.promote(id, token, 'v1')
      expect(await store.describe(id)).toMatchObject({ current: 'v3', previous: token, pending: undefined })
    })

    test('as the same promotion run twice at once, both succeed', async () => {
      const twice = [
        (id: string, token: string) => store.promote(id, token, 'v1'),
        // The other one has only put so far.
        (id: string) => overwriteParameter(id, 'next'),
      ]
      for (const other of twice) {
        const { id, token } = await makePendingParameter()
        faultOnce('PutParameter', async (_, call) => {
          await other(id, token)
          return call()
        })
        await store.promote(id, token, 'v1')
        expect(await readPasswords(id)).toEqual(['first', 'next', 'next'])
        expect(await store.describe(id)).toMatchObject({ current: token, pending: undefined })
        expect(await readPendingParameters(id)).toEqual([])
      }
    })

    test('a rotation that lost the lock to another does not promote', async () => {
      const { id, token } = await makePendingParameter()
      await store.discard(id, token)
      const rival = randomUUID()
      await store.propose(id, rival, credentialWith('rival'))
      await expect(store.promote(id, token, 'v1')).rejects.toThrow(Superseded)
      expect(await readPasswords(id)).toEqual(['first'])
    })
  })

  describe('a parameter with 100 versions', () => {
    test('rotates a hundred times and more, as Keyturn removes its own old labels', async () => {
      const id = await makeParameter()
      for (let n = 1, current = 'v1'; n <= 102; n++) {
        const token = randomUUID()
        await store.propose(id, token, credentialWith(`p${n}`))
        await store.promote(id, token, current)
        current = token
      }
      const entries = await readHistory(id)
      expect(entries).toHaveLength(100)
      expect(entries.slice(0, 49).every(({ Labels = [] }) => !Labels.length)).toBe(true)
      expect(await store.describe(id)).toMatchObject({ pending: undefined })
      expect((await store.read(id, { stage: 'previous' }))?.credential.password).toBe('p101')
      expect(await store.listTokens(id)).toHaveLength(100)
    }, 120_000)

    test('throws StoreFailed, which says what to do, if the oldest version has a label that is not Keyturn’s', async () => {
      const id = await makeParameter()
      await labelVersion(id, 1, 'golden')
      for (let n = 2; n <= 100; n++) await overwriteParameter(id, `p${n}`)
      const token = randomUUID()
      await store.propose(id, token, credentialWith('next'))
      const error = await store.promote(id, token, 'v100').catch(error => error)
      expect(error).toBeInstanceOf(StoreFailed)
      expect(error.message).toContain('the oldest of 100 versions has a label')
      expect((await readHistory(id))[0]?.Labels).toEqual(['golden'])
      expect(await store.describe(id)).toMatchObject({ current: 'v100', pending: token })
    }, 60_000)
  })

  describe('discarded values', () => {
    test('of the last day stay, and older ones are deleted when the next one is discarded', async () => {
      const [id, old, young] = [await makeParameter(), randomUUID(), randomUUID()]
      await store.propose(id, old, credentialWith('old'))
      await store.discard(id, old)
      await store.propose(id, young, credentialWith('young'))
      storeFaults.each = async (action, call) => {
        const answer = await call()
        if (action === 'GetParametersByPath')
          for (const entry of (answer as { Parameters: { Name: string; LastModifiedDate: Date }[] })
            .Parameters)
            if (entry.Name.endsWith(old)) entry.LastModifiedDate = new Date(Date.now() - 86_400_001)
        return answer
      }
      await store.discard(id, young)
      expect(await store.listTokens(id)).toEqual([young, 'v1'])
      expect(await store.read(id, { token: old })).toBeUndefined()
    })

    test('are all listed, even if they need more than one page', async () => {
      const id = await makeParameter()
      const tokens = Array.from({ length: 23 }, () => randomUUID())
      for (const token of tokens) {
        await store.propose(id, token, credentialWith('x'))
        await store.discard(id, token)
      }
      expect(await store.listTokens(id)).toEqual([...tokens.toReversed(), 'v1'])
    })
  })
})
