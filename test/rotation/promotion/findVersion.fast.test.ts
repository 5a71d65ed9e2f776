import { expect, test } from 'vitest'
import { Credential } from '../../../rotation/credential.ts'
import type { Engine, Session } from '../../../rotation/engines/engine.ts'
import { LoginRefused, StillStandby } from '../../../rotation/errors.ts'
import { findVersion, type Looking } from '../../../rotation/promotion/findVersion.ts'

const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-AbCdEf'
const from = 'eu-west-1'
const value = (password: string) =>
  Credential.parse(JSON.stringify({ engine: 'postgres', host: 'db', username: 'u', password }))

/** A server that takes the password of the previous version alone. */
const looking = (isStandby: boolean, tried: string[]) =>
  ({
    store: {
      describe: async () => ({ current: '2', previous: '1', pending: undefined, tags: {} }),
      read: async (_: string, { token = '' }) => ({ token, credential: value(token) }),
    },
    engine: async () =>
      ({
        async login({ password }: Credential) {
          tried.push(password)
          if (password !== '1') throw new LoginRefused('no')
          return { isStandby: async () => isStandby, async [Symbol.asyncDispose]() {} } as unknown as Session
        },
      }) as unknown as Engine,
    defaults: { grace: 0, password: {} },
    hosts: { map: new Map() },
  }) as unknown as Looking

test('what a copy refuses that lags behind is tried again once the database is promoted', async () => {
  const tried: string[] = []
  const wanted = { arn, from, refused: [], rehearsal: false }
  await expect(findVersion(looking(true, tried), wanted)).rejects.toThrow(StillStandby)
  expect(tried).toEqual(['2', '1'])
  expect(await findVersion(looking(false, tried), wanted)).toMatchObject({
    version: '1',
    refused: ['2@db:5432'],
  })
})
