import { expect, test } from 'vitest'
import { Credential } from '../../../rotation/credential.ts'
import type { Engine, Session } from '../../../rotation/engines/engine.ts'
import { LoginRefused, StillStandby } from '../../../rotation/errors.ts'
import { findVersion, type SearchPipeline } from '../../../rotation/promotion/findVersion.ts'

const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-AbCdEf'
const from = 'eu-west-1'
const value = (password: string, more = {}) =>
  Credential.parse(JSON.stringify({ engine: 'postgres', host: 'db', username: 'u', password, ...more }))

/** A server that takes the password of the previous version alone. */
const looking = (isStandby: boolean, tried: string[], more = {}) =>
  ({
    store: {
      describe: async () => ({ current: '2', previous: '1', pending: undefined, tags: {} }),
      read: async (_: string, { token = '' }) => ({ token, credential: value(token, more) }),
    },
    readAdmin: async () => value('1', { host: 'writer' }),
    loadEngine: async () =>
      ({
        async login({ password, host }: Credential) {
          tried.push(`${password}@${host}`)
          if (password !== '1') throw new LoginRefused('no')
          return {
            isStandby: async () => isStandby && host !== 'writer',
            async [Symbol.asyncDispose]() {},
          } as unknown as Session
        },
      }) as unknown as Engine,
    defaults: { grace: 0, password: {} },
    hosts: { map: new Map() },
  }) as unknown as SearchPipeline

test('versions that a lagging copy refuses are tried again once the database is promoted', async () => {
  const tried: string[] = []
  const wanted = { arn, from, refused: [], rehearsal: false }
  await expect(findVersion(looking(true, tried), wanted)).rejects.toThrow(StillStandby)
  expect(tried).toEqual(['2@db', '1@db'])
  expect(await findVersion(looking(false, tried), wanted)).toMatchObject({
    version: '1',
    refused: ['2@db:5432'],
  })
})

const masterarn = `arn:aws:secretsmanager:${from}:123456789012:secret:admin-AbCdEf`

test('a login on a standby counts if the admin logs in to a writer', async () => {
  const tried: string[] = []
  const wanted = { arn, from, refused: [], rehearsal: false }
  expect(await findVersion(looking(true, tried, { masterarn }), wanted)).toMatchObject({ version: '1' })
  expect(tried).toEqual(['2@db', '1@db', '1@writer'])
})

test.each([
  ['logs in to the same server', 'db'],
  ['logs in to a copy as well', 'db2'],
])('a login on a standby does not count if the admin %s', async (_, host) => {
  const admin = async () => value('1', { host })
  const wanted = { arn, from, refused: [], rehearsal: false }
  await expect(
    findVersion({ ...looking(true, [], { masterarn }), readAdmin: admin }, wanted),
  ).rejects.toThrow(StillStandby)
})
