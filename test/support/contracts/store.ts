import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { Credential, type ValueParser } from '../../../rotation/credential.ts'
import { InvalidCredential, RotationInProgress, Superseded, TokenReused } from '../../../rotation/errors.ts'
import type { Stage, Store } from '../../../rotation/stores/store.ts'

/** A store, and the way to put a first secret into it, which no Store does by itself. */
export type StoreSubject = {
  store: Store
  /** Whether it refuses a second pending version by itself; otherwise the later one takes the label. */
  exclusive?: boolean
  create(id: string, token: string, credential: Credential, tags: Record<string, string>): unknown
}

/** Titles of tests that this store fails, each with the reason. One that passes after all fails the run. */
type Gaps = Record<string, string>

export const credentialWith = (password: string, change: { username?: string; host?: string } = {}) =>
  Credential.parse(
    JSON.stringify({ engine: 'postgres', host: 'db.example.com', username: 'app', ...change, password }),
  )

/** What every Store does: one test for each promise that stores/store.ts makes. */
export function storeContract(name: string, makeSubject: () => Promise<StoreSubject>, gaps: Gaps = {}): void {
  describe(`store contract: ${name}`, () => {
    let subject: StoreSubject
    let store: Store
    beforeAll(async () => {
      subject = await makeSubject()
      store = subject.store
    })

    /** A secret of its own whose current value has the password `first`. */
    async function secret(tags: Record<string, string> = {}): Promise<{ id: string; first: string }> {
      const [id, first] = [`contract/${randomUUID()}`, randomUUID()]
      await subject.create(id, first, credentialWith('first'), tags)
      return { id, first }
    }

    const password = async (id: string, which: Parameters<Store['read']>[1]) =>
      (await store.read(id, which))?.credential.password

    const labels = async (id: string) => {
      const { current, pending, previous } = await store.describe(id)
      return { current, pending, previous }
    }

    const unseen = new Set(Object.keys(gaps))
    function promise(title: string, run: () => Promise<void>): void {
      const gap = unseen.delete(title)
      if (gap) test.fails(title, run)
      else test(title, run)
    }

    describe('rehearse', () => {
      promise('changes no label and no value, at whatever point of a rotation', async () => {
        const [{ id, first }, token] = [await secret(), randomUUID()]
        const seen = async () => [
          await labels(id),
          await password(id, { token: first }),
          await store.listTokens(id),
        ]
        const unchanged = async () => {
          const before = await seen()
          await store.rehearsePromote(id, token)
          expect(await seen()).toEqual(before)
        }
        await unchanged()
        await store.propose(id, token, credentialWith('next'))
        await unchanged()
        await store.promote(id, token, first)
        await unchanged()
        expect(await password(id, { stage: 'current' })).toBe('next')
      })

      promise('a secret that is not there is InvalidCredential', async () => {
        const error = { name: 'InvalidCredential', field: 'id' }
        await expect(store.rehearsePromote(`contract/${randomUUID()}`, randomUUID())).rejects.toMatchObject(
          error,
        )
      })
    })

    describe('describe', () => {
      promise('tells the labels and the tags', async () => {
        const { id, first } = await secret({ 'keyturn:strategy': 'single-user', team: 'payments' })
        // The names that a service has for it are for events alone, and not every store's has any.
        const { name: _, arn: __, ...found } = await store.describe(id)
        expect(found).toEqual({
          current: first,
          pending: undefined,
          previous: undefined,
          tags: { 'keyturn:strategy': 'single-user', team: 'payments' },
        })
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
      })

      promise('has no tags where there are none', async () => {
        const { id } = await secret()
        expect((await store.describe(id)).tags).toEqual({})
      })

      promise('a label left on current counts as nothing pending', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.promote(id, next, first)
        expect(await labels(id)).toEqual({ current: next, pending: undefined, previous: first })
      })

      promise('an unknown secret is InvalidCredential', async () => {
        const described = store.describe(`contract/${randomUUID()}`)
        await expect(described).rejects.toThrow(InvalidCredential)
        await expect(described).rejects.toMatchObject({ field: 'id' })
      })
    })

    describe('read', () => {
      promise('by stage', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        expect(await store.read(id, { stage: 'current' })).toMatchObject({ token: first })
        expect(await password(id, { stage: 'current' })).toBe('first')
        expect(await store.read(id, { stage: 'pending' })).toMatchObject({ token: next })
        expect(await password(id, { stage: 'pending' })).toBe('next')
        await store.promote(id, next, first)
        expect(await store.read(id, { stage: 'previous' })).toMatchObject({ token: first })
        expect(await password(id, { stage: 'previous' })).toBe('first')
      })

      promise('by token', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        expect(await password(id, { token: first })).toBe('first')
        expect(await password(id, { token: next })).toBe('next')
        expect((await store.read(id, { token: next }))?.token).toBe(next)
      })

      promise('by token that holds the stage', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        expect(await password(id, { token: first, stage: 'current' })).toBe('first')
        expect(await password(id, { token: next, stage: 'pending' })).toBe('next')
      })

      promise('by token that does not hold the stage is undefined', async () => {
        const { id, first } = await secret()
        const [next, later] = [randomUUID(), randomUUID()]
        await store.propose(id, next, credentialWith('next'))
        expect(await store.read(id, { token: first, stage: 'pending' })).toBeUndefined()
        expect(await store.read(id, { token: next, stage: 'current' })).toBeUndefined()
        expect(await store.read(id, { token: first, stage: 'previous' })).toBeUndefined()
        await store.discard(id, next)
        expect(await store.read(id, { token: next, stage: 'pending' })).toBeUndefined()
        await store.propose(id, later, credentialWith('later'))
        expect(await store.read(id, { token: next, stage: 'pending' })).toBeUndefined()
      })

      promise('what is not there is undefined', async () => {
        const { id } = await secret()
        expect(await store.read(id, { stage: 'pending' })).toBeUndefined()
        expect(await store.read(id, { stage: 'previous' })).toBeUndefined()
        expect(await store.read(id, { token: randomUUID() })).toBeUndefined()
        expect(await store.read(id, { token: randomUUID(), stage: 'current' })).toBeUndefined()
      })
    })

    describe('propose', () => {
      promise('writes the value as pending and leaves current alone', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
        expect(await password(id, { token: next, stage: 'pending' })).toBe('next')
        expect(await password(id, { stage: 'current' })).toBe('first')
      })

      promise('the same token again keeps the earlier value', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.propose(id, next, credentialWith('other'))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
        expect(await password(id, { stage: 'pending' })).toBe('next')
      })

      promise('the same token and value again is success', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.propose(id, next, credentialWith('next'))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
        expect(await password(id, { stage: 'pending' })).toBe('next')
      })

      promise('the same token twice at once: both succeed, with one value', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await Promise.all(['one', 'two'].map(text => store.propose(id, next, credentialWith(text))))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
        expect(['one', 'two']).toContain(await password(id, { stage: 'pending' }))
      })

      promise('a discarded token is pending again, with its earlier value', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.discard(id, next)
        await store.propose(id, next, credentialWith('other'))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
        expect(await password(id, { stage: 'pending' })).toBe('next')
      })

      promise('a discarded token is pending again, also with the very same value', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.discard(id, next)
        await store.propose(id, next, credentialWith('next'))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
      })

      promise('a discarded token is pending again, also where the label stayed on current', async () => {
        const { id, first } = await secret()
        const [next, late] = [randomUUID(), randomUUID()]
        await store.propose(id, next, credentialWith('next'))
        const discardLate = async () => {
          await store.propose(id, late, credentialWith('late'))
          await store.discard(id, late)
        }
        // Where both can be pending, the label comes back and stays.
        if (!subject.exclusive) {
          await discardLate()
          await store.propose(id, next, credentialWith('other'))
        }
        await store.promote(id, next, first)
        if (subject.exclusive) await discardLate()
        await store.propose(id, late, credentialWith('other'))
        expect(await labels(id)).toEqual({ current: next, pending: late, previous: first })
        expect(await password(id, { stage: 'pending' })).toBe('late')
      })

      promise('TokenReused if the discarded value is older than what has become current since', async () => {
        const { id, first } = await secret()
        const [early, next] = [randomUUID(), randomUUID()]
        await store.propose(id, early, credentialWith('early'))
        await store.discard(id, early)
        // Some tell their times in seconds.
        await sleep(1100)
        await store.propose(id, next, credentialWith('next'))
        await store.promote(id, next, first)
        await expect(store.propose(id, early, credentialWith('other'))).rejects.toThrow(TokenReused)
        expect(await labels(id)).toEqual({ current: next, pending: undefined, previous: first })
      })

      promise('TokenReused if it was current once', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await sleep(1100)
        await store.propose(id, next, credentialWith('next'))
        await store.promote(id, next, first)
        await expect(store.propose(id, first, credentialWith('other'))).rejects.toThrow(TokenReused)
        expect(await labels(id)).toEqual({ current: next, pending: undefined, previous: first })
      })

      for (const change of [{ username: 'app_clone' }, { host: 'other.example.com' }]) {
        const what = Object.keys(change).join()

        promise(`TokenReused if the pending value is for another ${what}`, async () => {
          const { id } = await secret()
          const next = randomUUID()
          await store.propose(id, next, credentialWith('next', change))
          await expect(store.propose(id, next, credentialWith('other'))).rejects.toThrow(TokenReused)
          expect(await password(id, { stage: 'pending' })).toBe('next')
        })

        promise(`TokenReused if the discarded value is for another ${what}`, async () => {
          const { id, first } = await secret()
          const next = randomUUID()
          await store.propose(id, next, credentialWith('next', change))
          await store.discard(id, next)
          await expect(store.propose(id, next, credentialWith('other'))).rejects.toThrow(TokenReused)
          expect(await labels(id)).toEqual({ current: first, pending: undefined, previous: undefined })
        })
      }

      promise('RotationInProgress if a kept value meets another pending one', async () => {
        const { id, first } = await secret()
        const [early, next] = [randomUUID(), randomUUID()]
        await store.propose(id, early, credentialWith('early'))
        await store.discard(id, early)
        await store.propose(id, next, credentialWith('next'))
        await expect(store.propose(id, early, credentialWith('other'))).rejects.toThrow(RotationInProgress)
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
        expect(await password(id, { stage: 'pending' })).toBe('next')
      })
    })

    describe('propose, while another version is pending', () => {
      promise('is refused, or takes the label; the other value stays readable', async () => {
        const { id, first } = await secret()
        const [early, next] = [randomUUID(), randomUUID()]
        await store.propose(id, early, credentialWith('early'))
        const second = store.propose(id, next, credentialWith('next'))
        if (subject.exclusive) await expect(second).rejects.toThrow(RotationInProgress)
        else await second
        const pending = subject.exclusive ? early : next
        expect(await labels(id)).toEqual({ current: first, pending, previous: undefined })
        expect(await password(id, { token: early })).toBe('early')
        expect(await password(id, { token: next })).toBe(subject.exclusive ? undefined : 'next')
      })

      promise('both at once: at the end one is pending, with its own value', async () => {
        const { id } = await secret()
        const tokens = [randomUUID(), randomUUID()]
        const proposed = await Promise.allSettled(
          tokens.map(token => store.propose(id, token, credentialWith(token))),
        )
        const winners = tokens.filter((_, i) => proposed[i]?.status === 'fulfilled')
        if (subject.exclusive) expect(winners).toHaveLength(1)
        const { pending } = await labels(id)
        expect(winners).toContain(pending)
        expect(await password(id, { stage: 'pending' })).toBe(pending)
      })
    })

    describe('promote', () => {
      async function proposed() {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        return { id, first, next }
      }

      promise('makes it current, and what it replaces previous', async () => {
        const { id, first, next } = await proposed()
        await store.promote(id, next, first)
        expect(await labels(id)).toEqual({ current: next, pending: undefined, previous: first })
        expect(await password(id, { stage: 'current' })).toBe('next')
      })

      promise('moves previous along', async () => {
        const { id, first, next } = await proposed()
        await store.promote(id, next, first)
        const later = randomUUID()
        await store.propose(id, later, credentialWith('later'))
        expect(await labels(id)).toEqual({ current: next, pending: later, previous: first })
        await store.promote(id, later, next)
        expect(await labels(id)).toEqual({ current: later, pending: undefined, previous: next })
        expect(await password(id, { token: first })).toBe('first')
      })

      promise('a second time is success and changes nothing', async () => {
        const { id, first, next } = await proposed()
        await store.promote(id, next, first)
        await store.promote(id, next, first)
        expect(await labels(id)).toEqual({ current: next, pending: undefined, previous: first })
      })

      promise('Superseded if another version became current meanwhile', async () => {
        const { id, first, next } = await proposed()
        const rival = randomUUID()
        await store.discard(id, next)
        await store.propose(id, rival, credentialWith('rival'))
        await store.promote(id, rival, first)
        await expect(store.promote(id, next, first)).rejects.toThrow(Superseded)
        expect(await labels(id)).toEqual({ current: rival, pending: undefined, previous: first })
      })

      promise('Superseded if it was current once and is no longer', async () => {
        const { id, first, next } = await proposed()
        await store.promote(id, next, first)
        const later = randomUUID()
        await store.propose(id, later, credentialWith('later'))
        await store.promote(id, later, next)
        await expect(store.promote(id, next, first)).rejects.toThrow(Superseded)
        expect(await labels(id)).toEqual({ current: later, pending: undefined, previous: next })
      })

      promise(
        'late, Superseded if it is not pending any more: rolled back, or another took the label',
        async () => {
          const { id, first, next } = await proposed()
          await store.discard(id, next)
          await expect(store.promote(id, next, first, true)).rejects.toThrow(Superseded)
          const rival = randomUUID()
          await store.propose(id, rival, credentialWith('rival'))
          await expect(store.promote(id, next, first, true)).rejects.toThrow(Superseded)
          expect(await labels(id)).toEqual({ current: first, pending: rival, previous: undefined })
          for (const _ of [1, 2]) await store.promote(id, rival, first, true)
          expect(await labels(id)).toEqual({ current: rival, pending: undefined, previous: first })
        },
      )

      promise('a version that does not exist never becomes current', async () => {
        const { id, first } = await secret()
        await expect(store.promote(id, randomUUID(), first)).rejects.toThrow()
        expect(await labels(id)).toEqual({ current: first, pending: undefined, previous: undefined })
      })
    })

    describe('discard', () => {
      promise('takes pending away and keeps the value readable by token', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.discard(id, next)
        expect(await labels(id)).toEqual({ current: first, pending: undefined, previous: undefined })
        expect(await store.read(id, { stage: 'pending' })).toBeUndefined()
        expect(await password(id, { token: next })).toBe('next')
      })

      promise('a second time is success', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.discard(id, next)
        await store.discard(id, next)
        expect(await labels(id)).toEqual({ current: first, pending: undefined, previous: undefined })
      })

      promise('of a version that does not exist is success', async () => {
        const { id, first } = await secret()
        await store.discard(id, randomUUID())
        expect(await labels(id)).toEqual({ current: first, pending: undefined, previous: undefined })
      })

      promise('of one version leaves another pending', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.discard(id, first)
        await store.discard(id, randomUUID())
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
      })

      promise('of what became current meanwhile leaves it current', async () => {
        const { id, first } = await secret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.promote(id, next, first)
        await store.discard(id, next)
        expect(await labels(id)).toEqual({ current: next, pending: undefined, previous: first })
      })
    })

    describe('tokens', () => {
      promise('tells every version, also those without a label', async () => {
        const { id, first } = await secret()
        const [early, next] = [randomUUID(), randomUUID()]
        await store.propose(id, early, credentialWith('early'))
        await store.discard(id, early)
        await store.propose(id, next, credentialWith('next'))
        expect(new Set(await store.listTokens(id))).toEqual(new Set([first, early, next]))
        expect(await store.listTokens(id)).toHaveLength(3)
      })

      promise('newest first, whatever holds which label', async () => {
        const { id, first } = await secret()
        const [early, next] = [randomUUID(), randomUUID()]
        await store.propose(id, early, credentialWith('early'))
        await store.discard(id, early)
        await store.propose(id, next, credentialWith('next'))
        expect(await store.listTokens(id)).toEqual([next, early, first])
        await store.promote(id, next, first)
        await store.discard(id, next)
        const late = randomUUID()
        await store.propose(id, late, credentialWith('late'))
        await store.discard(id, late)
        expect(await store.listTokens(id)).toEqual([late, next, early, first])
      })
    })

    describe('values that are not AWS’s JSON', () => {
      const connection = '{"engine":"postgres","host":"db.example.com","username":"app"}'
      const formats: [string, ValueParser][] = [
        ['a password alone', Credential.passwordOnlyParser(connection)],
        ['opaque', Credential.parseOpaque],
      ]
      const texts = ['first-{"%', '{"engine":"postgres","password":"none"}', 'zweitens ☂ $&\n']

      for (const [what, format] of formats) {
        async function bare(text: string) {
          const [id, first] = [`contract/${randomUUID()}`, randomUUID()]
          await subject.create(id, first, format(text), {})
          return { id, first, bare: store.withParser(format) }
        }

        promise(`${what}: each text comes back as it went, at every stage`, async () => {
          for (const text of texts) {
            const { id, first, bare: store } = await bare(text)
            const next = randomUUID()
            await store.propose(id, next, format(`${text} next`))
            const stored = async (stage: Stage) => (await store.read(id, { stage }))?.credential.serialize()
            expect([await stored('current'), await stored('pending')]).toEqual([text, `${text} next`])
            await store.promote(id, next, first)
            expect([await stored('previous'), await stored('current')]).toEqual([text, `${text} next`])
          }
        })

        promise(`${what}: a discarded token is pending again, with its earlier value`, async () => {
          const { id, bare: store } = await bare('first')
          const next = randomUUID()
          await store.propose(id, next, format('next'))
          await store.discard(id, next)
          await store.propose(id, next, format('other'))
          expect((await store.read(id, { stage: 'pending' }))?.credential.password).toBe('next')
        })

        promise(`${what}: a store that is not told so refuses the value`, async () => {
          const { id } = await bare('first')
          await expect(store.read(id, { stage: 'current' })).rejects.toThrow(InvalidCredential)
        })
      }
    })

    test('every known gap is one of these tests', () => {
      expect([...unseen]).toEqual([])
    })
  })
}
