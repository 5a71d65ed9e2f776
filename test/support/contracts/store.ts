import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { Credential, type ValueParser } from '../../../rotation/credential.ts'
import { InvalidCredential, RotationInProgress, Superseded, TokenReused } from '../../../rotation/errors.ts'
import type { Stage, Store } from '../../../rotation/stores/store.ts'

/** A store, and a function that creates a secret in it, which a Store cannot do. */
export type StoreSubject = {
  store: Store
  /** Whether the store refuses a second pending version. If not, the later version takes the label. */
  exclusive?: boolean
  create(id: string, token: string, credential: Credential, tags: Record<string, string>): unknown
}

/** The titles of tests that this store fails, each with the reason. A test that passes although listed fails the run. */
type Gaps = Record<string, string>

/** @returns a PostgreSQL user's value with this password, for `app` on db.example.com unless changed */
export const credentialWith = (password: string, change: { username?: string; host?: string } = {}) =>
  Credential.parse(
    JSON.stringify({ engine: 'postgres', host: 'db.example.com', username: 'app', ...change, password }),
  )

/** Makes one test for each promise that rotation/stores/store.ts makes for every store. */
export function storeContract(name: string, makeSubject: () => Promise<StoreSubject>, gaps: Gaps = {}): void {
  describe(`store contract: ${name}`, () => {
    let subject: StoreSubject
    let store: Store
    beforeAll(async () => {
      subject = await makeSubject()
      store = subject.store
    })

    /** Makes a secret whose current value has the password `first`. `first` in the result is that version's token. */
    async function makeSecret(tags: Record<string, string> = {}): Promise<{ id: string; first: string }> {
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

    const unusedGaps = new Set(Object.keys(gaps))
    /** A test, which must fail if `gaps` has its title. */
    function promise(title: string, run: () => Promise<void>): void {
      const gap = unusedGaps.delete(title)
      if (gap) test.fails(title, run)
      else test(title, run)
    }

    describe('rehearsePromote', () => {
      promise('changes no label and no value, at any point of a rotation', async () => {
        const [{ id, first }, token] = [await makeSecret(), randomUUID()]
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

      promise('a secret that does not exist throws InvalidCredential', async () => {
        const error = { name: 'InvalidCredential', field: 'id' }
        await expect(store.rehearsePromote(`contract/${randomUUID()}`, randomUUID())).rejects.toMatchObject(
          error,
        )
      })
    })

    describe('describe', () => {
      promise('returns the labels and the tags', async () => {
        const { id, first } = await makeSecret({ 'keyturn:strategy': 'single-user', team: 'payments' })
        // `name` and `arn` are only for events, and not every store has them.
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

      promise('returns no tags if there are none', async () => {
        const { id } = await makeSecret()
        expect((await store.describe(id)).tags).toEqual({})
      })

      promise('nothing is pending if the label for pending is on the current version', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.promote(id, next, first)
        expect(await labels(id)).toEqual({ current: next, pending: undefined, previous: first })
      })

      promise('an unknown secret throws InvalidCredential', async () => {
        const described = store.describe(`contract/${randomUUID()}`)
        await expect(described).rejects.toThrow(InvalidCredential)
        await expect(described).rejects.toMatchObject({ field: 'id' })
      })
    })

    describe('read', () => {
      promise('by stage returns the version that holds it', async () => {
        const { id, first } = await makeSecret()
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

      promise('by token returns that version', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        expect(await password(id, { token: first })).toBe('first')
        expect(await password(id, { token: next })).toBe('next')
        expect((await store.read(id, { token: next }))?.token).toBe(next)
      })

      promise('by token and stage returns the version if it holds the stage', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        expect(await password(id, { token: first, stage: 'current' })).toBe('first')
        expect(await password(id, { token: next, stage: 'pending' })).toBe('next')
      })

      promise('by token and stage returns undefined if the version does not hold the stage', async () => {
        const { id, first } = await makeSecret()
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

      promise('returns undefined for a stage or token that no version has', async () => {
        const { id } = await makeSecret()
        expect(await store.read(id, { stage: 'pending' })).toBeUndefined()
        expect(await store.read(id, { stage: 'previous' })).toBeUndefined()
        expect(await store.read(id, { token: randomUUID() })).toBeUndefined()
        expect(await store.read(id, { token: randomUUID(), stage: 'current' })).toBeUndefined()
      })
    })

    describe('propose', () => {
      promise('writes the value as pending and leaves current alone', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
        expect(await password(id, { token: next, stage: 'pending' })).toBe('next')
        expect(await password(id, { stage: 'current' })).toBe('first')
      })

      promise('the same token again keeps the earlier value', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.propose(id, next, credentialWith('other'))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
        expect(await password(id, { stage: 'pending' })).toBe('next')
      })

      promise('the same token and value again is success', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.propose(id, next, credentialWith('next'))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
        expect(await password(id, { stage: 'pending' })).toBe('next')
      })

      promise('the same token twice at the same time succeeds, with one of the values', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await Promise.all(['one', 'two'].map(text => store.propose(id, next, credentialWith(text))))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
        expect(['one', 'two']).toContain(await password(id, { stage: 'pending' }))
      })

      promise('a discarded token is pending again, with its earlier value', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.discard(id, next)
        await store.propose(id, next, credentialWith('other'))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
        expect(await password(id, { stage: 'pending' })).toBe('next')
      })

      promise('a discarded token is pending again, also with the very same value', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.discard(id, next)
        await store.propose(id, next, credentialWith('next'))
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
      })

      promise(
        'a discarded token is pending again, also if the label for pending had stayed on current',
        async () => {
          const { id, first } = await makeSecret()
          const [next, late] = [randomUUID(), randomUUID()]
          await store.propose(id, next, credentialWith('next'))
          const discardLate = async () => {
            await store.propose(id, late, credentialWith('late'))
            await store.discard(id, late)
          }
          // In a store where both can be pending, the label returns to `next`, and stays there after the promotion.
          if (!subject.exclusive) {
            await discardLate()
            await store.propose(id, next, credentialWith('other'))
          }
          await store.promote(id, next, first)
          if (subject.exclusive) await discardLate()
          await store.propose(id, late, credentialWith('other'))
          expect(await labels(id)).toEqual({ current: next, pending: late, previous: first })
          expect(await password(id, { stage: 'pending' })).toBe('late')
        },
      )

      promise('throws TokenReused if a later version than the discarded one has become current', async () => {
        const { id, first } = await makeSecret()
        const [early, next] = [randomUUID(), randomUUID()]
        await store.propose(id, early, credentialWith('early'))
        await store.discard(id, early)
        // Some stores have the time of a version only in seconds.
        await sleep(1100)
        await store.propose(id, next, credentialWith('next'))
        await store.promote(id, next, first)
        await expect(store.propose(id, early, credentialWith('other'))).rejects.toThrow(TokenReused)
        expect(await labels(id)).toEqual({ current: next, pending: undefined, previous: first })
      })

      promise('throws TokenReused if the version was current before', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await sleep(1100)
        await store.propose(id, next, credentialWith('next'))
        await store.promote(id, next, first)
        await expect(store.propose(id, first, credentialWith('other'))).rejects.toThrow(TokenReused)
        expect(await labels(id)).toEqual({ current: next, pending: undefined, previous: first })
      })

      for (const change of [{ username: 'app_clone' }, { host: 'other.example.com' }]) {
        const field = Object.keys(change).join()

        promise(`throws TokenReused if the pending value is for another ${field}`, async () => {
          const { id } = await makeSecret()
          const next = randomUUID()
          await store.propose(id, next, credentialWith('next', change))
          await expect(store.propose(id, next, credentialWith('other'))).rejects.toThrow(TokenReused)
          expect(await password(id, { stage: 'pending' })).toBe('next')
        })

        promise(`throws TokenReused if the discarded value is for another ${field}`, async () => {
          const { id, first } = await makeSecret()
          const next = randomUUID()
          await store.propose(id, next, credentialWith('next', change))
          await store.discard(id, next)
          await expect(store.propose(id, next, credentialWith('other'))).rejects.toThrow(TokenReused)
          expect(await labels(id)).toEqual({ current: first, pending: undefined, previous: undefined })
        })
      }

      promise(
        'throws RotationInProgress for a discarded token while another version is pending',
        async () => {
          const { id, first } = await makeSecret()
          const [early, next] = [randomUUID(), randomUUID()]
          await store.propose(id, early, credentialWith('early'))
          await store.discard(id, early)
          await store.propose(id, next, credentialWith('next'))
          await expect(store.propose(id, early, credentialWith('other'))).rejects.toThrow(RotationInProgress)
          expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
          expect(await password(id, { stage: 'pending' })).toBe('next')
        },
      )
    })

    describe('propose, while another version is pending', () => {
      promise('is refused, or takes the label, and the other value stays readable', async () => {
        const { id, first } = await makeSecret()
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

      promise('two at the same time leave one pending, with its own value', async () => {
        const { id } = await makeSecret()
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
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        return { id, first, next }
      }

      promise('makes the version current, and the one that it replaces previous', async () => {
        const { id, first, next } = await proposed()
        await store.promote(id, next, first)
        expect(await labels(id)).toEqual({ current: next, pending: undefined, previous: first })
        expect(await password(id, { stage: 'current' })).toBe('next')
      })

      promise('moves the label for previous too', async () => {
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

      promise('throws Superseded if another version became current meanwhile', async () => {
        const { id, first, next } = await proposed()
        const rival = randomUUID()
        await store.discard(id, next)
        await store.propose(id, rival, credentialWith('rival'))
        await store.promote(id, rival, first)
        await expect(store.promote(id, next, first)).rejects.toThrow(Superseded)
        expect(await labels(id)).toEqual({ current: rival, pending: undefined, previous: first })
      })

      promise('throws Superseded if the version was current before and is no longer', async () => {
        const { id, first, next } = await proposed()
        await store.promote(id, next, first)
        const later = randomUUID()
        await store.propose(id, later, credentialWith('later'))
        await store.promote(id, later, next)
        await expect(store.promote(id, next, first)).rejects.toThrow(Superseded)
        expect(await labels(id)).toEqual({ current: later, pending: undefined, previous: next })
      })

      promise(
        'with mustStillBePending, throws Superseded if the version was discarded or another is pending',
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
        const { id, first } = await makeSecret()
        await expect(store.promote(id, randomUUID(), first)).rejects.toThrow()
        expect(await labels(id)).toEqual({ current: first, pending: undefined, previous: undefined })
      })
    })

    describe('discard', () => {
      promise('removes the label for pending and keeps the value readable by token', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.discard(id, next)
        expect(await labels(id)).toEqual({ current: first, pending: undefined, previous: undefined })
        expect(await store.read(id, { stage: 'pending' })).toBeUndefined()
        expect(await password(id, { token: next })).toBe('next')
      })

      promise('a second time is success', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.discard(id, next)
        await store.discard(id, next)
        expect(await labels(id)).toEqual({ current: first, pending: undefined, previous: undefined })
      })

      promise('of a version that does not exist is success', async () => {
        const { id, first } = await makeSecret()
        await store.discard(id, randomUUID())
        expect(await labels(id)).toEqual({ current: first, pending: undefined, previous: undefined })
      })

      promise('of one version leaves another pending', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.discard(id, first)
        await store.discard(id, randomUUID())
        expect(await labels(id)).toEqual({ current: first, pending: next, previous: undefined })
      })

      promise('of a version that has become current leaves it current', async () => {
        const { id, first } = await makeSecret()
        const next = randomUUID()
        await store.propose(id, next, credentialWith('next'))
        await store.promote(id, next, first)
        await store.discard(id, next)
        expect(await labels(id)).toEqual({ current: next, pending: undefined, previous: first })
      })
    })

    describe('listTokens', () => {
      promise('returns every version, also those without a label', async () => {
        const { id, first } = await makeSecret()
        const [early, next] = [randomUUID(), randomUUID()]
        await store.propose(id, early, credentialWith('early'))
        await store.discard(id, early)
        await store.propose(id, next, credentialWith('next'))
        expect(new Set(await store.listTokens(id))).toEqual(new Set([first, early, next]))
        expect(await store.listTokens(id)).toHaveLength(3)
      })

      promise('returns the newest first, whichever has which label', async () => {
        const { id, first } = await makeSecret()
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

      for (const [what, parser] of formats) {
        async function makeBare(text: string) {
          const [id, first] = [`contract/${randomUUID()}`, randomUUID()]
          await subject.create(id, first, parser(text), {})
          return { id, first, store: store.withParser(parser) }
        }

        promise(`${what}: each text is read as it was written, at every stage`, async () => {
          for (const text of texts) {
            const { id, first, store } = await makeBare(text)
            const next = randomUUID()
            await store.propose(id, next, parser(`${text} next`))
            const stored = async (stage: Stage) => (await store.read(id, { stage }))?.credential.serialize()
            expect([await stored('current'), await stored('pending')]).toEqual([text, `${text} next`])
            await store.promote(id, next, first)
            expect([await stored('previous'), await stored('current')]).toEqual([text, `${text} next`])
          }
        })

        promise(`${what}: a discarded token is pending again, with its earlier value`, async () => {
          const { id, store } = await makeBare('first')
          const next = randomUUID()
          await store.propose(id, next, parser('next'))
          await store.discard(id, next)
          await store.propose(id, next, parser('other'))
          expect((await store.read(id, { stage: 'pending' }))?.credential.password).toBe('next')
        })

        promise(`${what}: a store without that parser refuses the value`, async () => {
          const { id } = await makeBare('first')
          await expect(store.read(id, { stage: 'current' })).rejects.toThrow(InvalidCredential)
        })
      }
    })

    test('every known gap has the title of one of these tests', () => {
      expect([...unusedGaps]).toEqual([])
    })
  })
}
