import { expect, test } from 'vitest'
import { Credential } from '../../../rotation/credential.ts'
import { parseHostMap } from '../../../rotation/promotion/hostMap.ts'
import { type Hosts, moved } from '../../../rotation/promotion/hosts.ts'

const from = 'eu-west-1'
const there = `db.${from}.rds.amazonaws.com`
const value = (host: string, more = {}) =>
  JSON.stringify({ engine: 'postgres', host, username: 'app', password: 'secret', ...more })
const hosts = (lines = {}, copies = {}): Hosts => ({
  map: parseHostMap(JSON.stringify(lines)),
  copies: async () => ({
    inGlobalCluster: async () => undefined,
    replicaOf: async () => undefined,
    ...copies,
  }),
})

test('the map names a host, and a port where it becomes another one; what is in no Region stays', async () => {
  const lines = { [there]: 'db.here', 'cache:6379': 'cache:6380' }
  const found = async (text: string) =>
    (await moved(Credential.parse(text), {}, from, hosts(lines))).serialize()
  expect(await found(value(there))).toBe(value('db.here'))
  expect(await found(value('cache', { port: 6379 }))).toBe(value('cache', { port: 6380 }))
  expect(await found(value('cache', { port: 1 }))).toBe(value('cache', { port: 1 }))
  expect(await found(value('db.global-1.global.rds.amazonaws.com'))).toBe(
    value('db.global-1.global.rds.amazonaws.com'),
  )
})

test('a host of the lost Region is refused, with the line that RDS tells', async () => {
  const copies = { replicaOf: async () => 'copy.here' }
  await expect(moved(Credential.parse(value(there)), {}, from, hosts({}, copies))).rejects.toMatchObject({
    name: 'HostUnmapped',
    message: expect.stringContaining(`add "${there}": "copy.here"`),
  })
})

test('that of a parameter is refused with the name of the parameter, as no line of the map is for it', async () => {
  const credential = Credential.passwordOnly(value(there))('secret')
  const refused = moved(credential, { connection: 'shop/db' }, from, hosts({ [there]: 'db.here' }))
  await expect(refused).rejects.toMatchObject({
    name: 'InvalidCredential',
    message: expect.stringContaining('parameter shop/db of this Region'),
  })
})
