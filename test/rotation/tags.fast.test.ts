import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import {
  connectionIn,
  graceIn,
  isManaged,
  isOpaque,
  isScheduled,
  ownTags,
  strategyIn,
  tagsIn,
  withStrategyTag,
} from '../../rotation/tags.ts'

test('AWS lists tags, and may leave out the parts of one', () => {
  expect(tagsIn([{ Key: 'a', Value: 'b' }, { Key: 'c' }])).toEqual({ a: 'b', c: '' })
  expect(tagsIn()).toEqual({})
})

test('its own are those that begin with keyturn:', () => {
  expect(ownTags({ 'keyturn:grace': '1h', keyturn: 'x', owner: 'keyturn:me' })).toEqual({ grace: '1h' })
})

test('what is managed says `true` and nothing like it; what is opaque says so', () => {
  const managed = (value: string) => isManaged({ 'keyturn:managed': value })
  expect([managed('true'), managed('TRUE'), managed(''), isManaged({ managed: 'true' })]).toEqual([
    true,
    false,
    false,
    false,
  ])
  expect([isOpaque({ 'keyturn:engine': 'opaque' }), isOpaque({ 'keyturn:engine': 'mysql' })]).toEqual([
    true,
    false,
  ])
})

test('a schedule is there if the tag is, whatever it says; an empty connection is none', () => {
  expect([isScheduled({ 'keyturn:every': '' }), isScheduled({})]).toEqual([true, false])
  expect(connectionIn({ 'keyturn:connection': '/db' })).toBe('/db')
  expect([connectionIn({ 'keyturn:connection': '' }), connectionIn({})]).toEqual([undefined, undefined])
})

test('strategy and grace time are told as they stand', () => {
  const tags = withStrategyTag({ 'keyturn:strategy': 'x', 'keyturn:grace': 'soon' }, 'master')
  expect([strategyIn(tags), graceIn(tags)]).toEqual(['master', 'soon'])
  expect([strategyIn({}), graceIn({})]).toEqual([undefined, undefined])
})

test('nobody else reads a tag of ours by its key', () => {
  const cwd = fileURLToPath(new URL('../..', import.meta.url))
  const reads = /\[\s*(['"`]keyturn:|`\$\{TAG_PREFIX\})|['"`]keyturn:[\w-]+['"`] in /
  const files = globSync('{rotation,fleet,functions,local}/**/*.ts', { cwd })
  expect(files.length).toBeGreaterThan(100)
  expect(files.filter(file => reads.test(readFileSync(`${cwd}/${file}`, 'utf8')))).toEqual([
    'rotation/tags.ts',
  ])
})
