import { expect, test } from 'vitest'
import { Credential } from '../../../rotation/credential.ts'
import { parseHostMap } from '../../../rotation/promotion/hostMap.ts'
import { type HostSources, moveToThisRegion } from '../../../rotation/promotion/moveToThisRegion.ts'

const from = 'eu-west-1'
const old = `shop.cluster-abcdefghijkl.${from}.rds.amazonaws.com`
const copy = 'shop.cluster-zyxwvutsrqpo.eu-central-1.rds.amazonaws.com'

type Copies = Awaited<ReturnType<HostSources['loadDatabaseCopies']>>

/** Makes sources of hosts: a map, and an RDS that knows these copies. `asked` has the calls of RDS. */
function hosts(map: Record<string, string>, known: Partial<Record<keyof Copies, string | Error>> = {}) {
  const asked: string[] = []
  const answer = (name: keyof Copies) => async (host: string, region: string) => {
    asked.push(`${name} ${host} ${region}`)
    const told = known[name]
    if (told instanceof Error) throw told
    return told
  }
  const copies = {
    endpointInGlobalCluster: answer('endpointInGlobalCluster'),
    endpointOfReplica: answer('endpointOfReplica'),
  }
  return { asked, map: parseHostMap(JSON.stringify(map)), loadDatabaseCopies: async () => copies }
}

const stored = (more: object = {}) =>
  Credential.parse(
    JSON.stringify({
      ...{ engine: 'postgres', host: old, username: 'shop', password: 'tell-nobody', dbname: 'shop' },
      ...more,
    }),
  )
const json = (credential: Credential) => JSON.parse(credential.serialize())

test('a host of the deployer’s map is replaced, and RDS is not asked', async () => {
  const by = hosts({ [old]: copy }, { endpointInGlobalCluster: 'other.example.com' })
  const there = await moveToThisRegion(stored({ port: 5433 }), {}, from, by)
  expect(json(there)).toEqual({ ...json(stored({ port: 5433 })), host: copy })
  expect(by.asked).toEqual([])
})

test.each([
  ['none is stored where none was', {}, {}],
  ['the one of the map is stored', { port: 6432 }, { to: ':6432' }],
  ["the engine's own is not written beside the host", {}, { to: ':5432' }],
  ['that of the value is found by the map too', { port: 7000 }, { at: ':5433', to: ':7000', had: 5433 }],
] as [string, object, { at?: string; to?: string; had?: number }][])(
  'of the ports, %s',
  async (_, ports, { at = '', to = '', had }) => {
    const value = stored(had === undefined ? {} : { port: had })
    const there = await moveToThisRegion(value, {}, from, hosts({ [`${old}${at}`]: `${copy}${to}` }))
    const { port: __, ...rest } = json(value)
    expect(json(there)).toEqual({ ...rest, host: copy, ...ports })
  },
)

test('a host name of the deployer’s own may be in the map too', async () => {
  const there = await moveToThisRegion(
    stored({ host: 'db.example.com' }),
    {},
    from,
    hosts({ 'db.example.com': copy }),
  )
  expect(there.host).toBe(copy)
})

test('a host that names no Region stays, and RDS is not asked', async () => {
  const by = hosts({})
  const value = stored({ host: 'shop.global-abcdefghijkl.global.rds.amazonaws.com' })
  expect(json(await moveToThisRegion(value, {}, from, by))).toEqual(json(value))
  expect(by.asked).toEqual([])
})

test('a host that is not in the map is replaced by that of its global cluster', async () => {
  const by = hosts({}, { endpointInGlobalCluster: copy })
  expect((await moveToThisRegion(stored(), {}, from, by)).host).toBe(copy)
  expect(by.asked).toEqual([`endpointInGlobalCluster ${old} ${from}`])
})

test.each([
  ['with the line for the map, of a read replica', { endpointOfReplica: copy }, `add "${old}": "${copy}"`],
  ['with dots, where there is none', {}, `add "${old}": "…"`],
  [
    'with dots, where RDS does not answer',
    { endpointOfReplica: new Error('no answer') },
    `add "${old}": "…"`,
  ],
])('a host of the lost Region that nothing replaces is refused, %s', async (_, known, line) => {
  await expect(moveToThisRegion(stored(), {}, from, hosts({}, known))).rejects.toMatchObject({
    name: 'HostUnmapped',
    message: `host ${old} is in ${from}, and the file of the parameter hostMap does not say what takes its place: ${line}`,
  })
})

test.each([
  ['the map', { [old]: `other.abcdefghijkl.${from}.rds.amazonaws.com` }, {}],
  ['RDS', {}, { endpointInGlobalCluster: `other.abcdefghijkl.${from}.rds.amazonaws.com` }],
])('a host of the lost Region is refused even if %s names it as the new one', async (_, map, known) => {
  await expect(moveToThisRegion(stored(), {}, from, hosts(map, known))).rejects.toMatchObject({
    name: 'HostUnmapped',
  })
})

test('an error of RDS about the global cluster is thrown, so that it is tried again', async () => {
  const by = hosts({}, { endpointInGlobalCluster: new Error('no answer') })
  await expect(moveToThisRegion(stored(), {}, from, by)).rejects.toThrow('no answer')
})

test('the host in a parameter with the connection is changed neither by the map nor by RDS', async () => {
  const connection = '/shop/connection'
  const by = hosts({ 'db.example.com': copy, [old]: copy }, { endpointInGlobalCluster: copy })
  const of = (host: string) =>
    Credential.passwordOnlyParser(JSON.stringify({ engine: 'postgres', host, username: 'shop' }))(
      'tell-nobody',
    )
  expect((await moveToThisRegion(of('db.example.com'), { connection }, from, by)).host).toBe('db.example.com')
  await expect(moveToThisRegion(of(old), { connection }, from, by)).rejects.toMatchObject({
    name: 'InvalidCredential',
    message: expect.stringContaining(`parameter ${connection} of this Region`),
  })
  expect(by.asked).toEqual([])
})

test('an entry of the map that leads into the lost Region is named in the error', async () => {
  const there = `other.abcdefghijkl.${from}.rds.amazonaws.com`
  await expect(moveToThisRegion(stored(), {}, from, hosts({ [old]: there }))).rejects.toMatchObject({
    name: 'HostUnmapped',
    message: expect.stringContaining(`leads from ${old} to ${there}`),
  })
})

test('an opaque value, which has no host, stays as it is', async () => {
  const value = Credential.parseOpaque('a signing key')
  expect(await moveToThisRegion(value, { engine: 'opaque' }, from, hosts({}))).toBe(value)
})
