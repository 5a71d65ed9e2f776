import { describe, expect, test } from 'vitest'
import { isHostInRegion, lookUpHost, parseHostMap } from '../../../rotation/promotion/hostMap.ts'

/** What a map makes of a server. */
const becomes = (entries: object, host: string, port = 5432) =>
  lookUpHost(parseHostMap(JSON.stringify(entries)), { host, port })

describe('a map of hosts', () => {
  test.each<[string, object, string, number, object | undefined]>([
    ['keeps the port', { 'db.old': 'db.new' }, 'db.old', 5433, { host: 'db.new', port: 5433 }],
    ['names another port', { 'db.old': 'db.new:6000' }, 'db.old', 5432, { host: 'db.new', port: 6000 }],
    ['is for one port alone', { 'db.old:6432': 'pool.new' }, 'db.old', 5432, undefined],
    ['is for that port', { 'db.old:6432': 'pool.new' }, 'db.old', 6432, { host: 'pool.new', port: 6432 }],
    ['does not know the host', { 'db.old': 'db.new' }, 'db.older', 5432, undefined],
    ['does not know a part of the host', { 'db.old': 'db.new' }, 'my.db.old', 5432, undefined],
    ['reads letters of either case', { 'DB.old': 'db.new' }, 'db.OLD', 5432, { host: 'db.new', port: 5432 }],
    ['is empty', {}, 'db.old', 5432, undefined],
    ['takes an IPv4 address', { '10.0.0.7': '10.1.0.7' }, '10.0.0.7', 5432, { host: '10.1.0.7', port: 5432 }],
    ['takes an IPv6 address', { 'fd00::7': 'fd01::7' }, 'fd00::7', 5432, { host: 'fd01::7', port: 5432 }],
    [
      'takes an IPv6 address with a port, in brackets',
      { '[fd00::7]:6432': '[fd01::7]:7432' },
      'FD00::7',
      6432,
      { host: 'fd01::7', port: 7432 },
    ],
    ['tells that port from others', { '[fd00::7]:6432': 'fd01::7' }, 'fd00::7', 5432, undefined],
    ['has no own property of that name', { 'db.old': 'db.new' }, 'constructor', 5432, undefined],
  ])('%s: %j', (_, entries, host, port, place) => {
    expect(becomes(entries, host, port)).toEqual(place)
  })

  test.each([
    ['before', { 'db.old:6432': 'pool.new', 'db.old': 'db.new' }],
    ['behind', { 'db.old': 'db.new', 'db.old:6432': 'pool.new' }],
  ])('an entry with the port wins, also if it stands %s the one without', (_, entries) => {
    expect(becomes(entries, 'db.old', 6432)).toEqual({ host: 'pool.new', port: 6432 })
    expect(becomes(entries, 'db.old', 5432)).toEqual({ host: 'db.new', port: 5432 })
  })

  test.each(['', 'db.old=db.new', '{"db.old": "db.new",}'])('is refused as %j, which is no JSON', text => {
    expect(() => parseHostMap(text)).toThrow(/^should be JSON, such as \{/)
  })

  test.each(['[]', '["db.old"]', 'null', '"db.old"', '{"db.old": 7}', '{"db.old": {"host": "db.new"}}'])(
    'is refused as %s, which is no object of texts',
    text => {
      expect(() => parseHostMap(text)).toThrow(/^should be an object of texts, such as \{/)
    },
  )

  test.each([
    ['', 'db.new'],
    ['db.old', ''],
    ['db.old', 'https://db.new'],
    ['postgres://shop@db.old', 'db.new'],
    ['db.old/shop', 'db.new'],
    ['db.old', 'db.new:'],
    ['db.old', 'db.new:0'],
    ['db.old', 'db.new:65536'],
    ['db.old', 'db.new:54a'],
    ['db.old', 'db.new:5432:5433'],
    ['db.old', 'db new'],
    ['[fd00::7]', 'fd01::7'],
    ['fd00::7', '[db.new]:5432'],
    ['fd00::7', '[10.1.0.7]:5432'],
    ['*.old', 'db.new'],
  ])('is refused with %j that becomes %j, and names the entry', (from, to) => {
    const text = JSON.stringify({ 'good.old': 'good.new', [from]: to })
    expect(() => parseHostMap(text)).toThrow(
      `${JSON.stringify(from)}: should be a host or host:port, and so should what it becomes`,
    )
  })

  test('never repeats what an entry becomes, as that could be a whole URL with its password', () => {
    const text = JSON.stringify({ 'db.old': 'postgres://shop:tell-nobody@db.new' })
    expect(() => parseHostMap(text)).toThrow(/^(?!.*tell-nobody)/)
  })
})

describe('the Region of a host', () => {
  test.each([
    ['shop.abcdefghijkl.eu-west-1.rds.amazonaws.com', 'eu-west-1'],
    ['shop.cluster-abcdefghijkl.eu-west-1.rds.amazonaws.com', 'eu-west-1'],
    ['shop.proxy-abcdefghijkl.eu-west-1.rds.amazonaws.com', 'eu-west-1'],
    ['SHOP.abcdefghijkl.EU-West-1.rds.amazonaws.com.', 'eu-west-1'],
    ['shop.abcdefghijkl.rds.cn-north-1.amazonaws.com.cn', 'cn-north-1'],
    ['shop.cluster-abcdefghijkl.eu-west-1.docdb.amazonaws.com', 'eu-west-1'],
    ['shop.abcdefghijkl.eu-west-1.redshift.amazonaws.com', 'eu-west-1'],
    ['clustercfg.shop.abc123.memorydb.eu-west-1.amazonaws.com', 'eu-west-1'],
    ['ip-10-0-0-7.eu-west-1.compute.internal', 'eu-west-1'],
    ['db.eu-west-1.example.com', 'eu-west-1'],
    ['master.shop.abc123.euw1.cache.amazonaws.com', 'eu-west-1'],
    ['shop-abc123.serverless.use1.cache.amazonaws.com', 'us-east-1'],
    ['master.shop.abc123.apne2.cache.amazonaws.com', 'ap-northeast-2'],
    ['master.shop.abc123.apse1.cache.amazonaws.com', 'ap-southeast-1'],
    ['master.shop.abc123.aps1.cache.amazonaws.com', 'ap-south-1'],
    ['master.shop.abc123.euc1.cache.amazonaws.com', 'eu-central-1'],
    ['master.shop.abc123.cac1.cache.amazonaws.com', 'ca-central-1'],
    ['master.shop.abc123.ugw1.cache.amazonaws.com', 'us-gov-west-1'],
    ['master.shop.abc123.cnnw1.cache.amazonaws.com.cn', 'cn-northwest-1'],
  ])('%s is in %s', (host, region) => {
    expect(isHostInRegion(host, region)).toBe(true)
  })

  test.each([
    ['shop.abcdefghijkl.eu-west-1.rds.amazonaws.com', 'eu-west-2'],
    ['shop.abcdefghijkl.eu-west-1.rds.amazonaws.com', 'us-west-1'],
    ['shop.global-abcdefghijkl.global.rds.amazonaws.com', 'eu-west-1'],
    ['master.shop.abc123.euw1.cache.amazonaws.com', 'eu-west-2'],
    ['master.shop.abc123.euw1.cache.amazonaws.com', 'eu-central-1'],
    ['euw1.db.example.com', 'eu-west-1'],
    ['db-eu-west-1.example.com', 'eu-west-1'],
    ['db.example.com', 'eu-west-1'],
    ['10.0.0.7', 'eu-west-1'],
    ['fd00::7', 'eu-west-1'],
  ])('%s is not in %s', (host, region) => {
    expect(isHostInRegion(host, region)).toBe(false)
  })
})

test.each([
  { 'a.old': 'a.new', 'b.old': 'a.new' },
  { 'a:1': 'a:2', 'b:1': 'B' },
  { a: 'A', 'b:1': 'a:3' },
  { 'a:1': 'b', 'b:2': 'c' },
])('a map is accepted if each host that takes another’s place stays where it is: %o', lines => {
  expect(parseHostMap(JSON.stringify(lines)).size).toBe(Object.keys(lines).length)
})

test.each([
  { 'a.old': 'a.new', 'a.new': 'a.old' },
  { a: 'B', b: 'c' },
  { 'a:1': 'b:2', 'b:2': 'c' },
  { 'a:1': 'b:2', b: 'c' },
  { 'a:1': 'b', 'b:1': 'a' },
  { a: 'b', 'b:7': 'c' },
])('a map by which a host would move twice is refused with that entry: %o', lines => {
  const [first = ''] = Object.keys(lines)
  expect(() => parseHostMap(JSON.stringify(lines))).toThrow(
    new RegExp(`^"${first}": what it becomes has a line of its own`),
  )
})
