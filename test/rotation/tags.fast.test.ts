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

test('tagsIn reads a list of AWS, whose tags may lack a value', () => {
  expect(tagsIn([{ Key: 'a', Value: 'b' }, { Key: 'c' }])).toEqual({ a: 'b', c: '' })
  expect(tagsIn()).toEqual({})
})

test('ownTags returns the tags that begin with `keyturn:`', () => {
  expect(ownTags({ 'keyturn:grace': '1h', keyturn: 'x', owner: 'keyturn:me' })).toEqual({ grace: '1h' })
})

test('isManaged needs the value `true`, and isOpaque the value `opaque`', () => {
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

test('isScheduled is true for any value of the tag, and an empty connection counts as none', () => {
  expect([isScheduled({ 'keyturn:every': '' }), isScheduled({})]).toEqual([true, false])
  expect(connectionIn({ 'keyturn:connection': '/db' })).toBe('/db')
  expect([connectionIn({ 'keyturn:connection': '' }), connectionIn({})]).toEqual([undefined, undefined])
})

test('strategyIn and graceIn return the tags’ texts, even if they are wrong', () => {
  const tags = withStrategyTag({ 'keyturn:strategy': 'x', 'keyturn:grace': 'soon' }, 'master')
  expect([strategyIn(tags), graceIn(tags)]).toEqual(['master', 'soon'])
  expect([strategyIn({}), graceIn({})]).toEqual([undefined, undefined])
})

test('no other file reads a tag of Keyturn by its key', () => {
  const cwd = fileURLToPath(new URL('../..', import.meta.url))
  const reads = /\[\s*(['"`]keyturn:|`\$\{TAG_PREFIX\})|['"`]keyturn:[\w-]+['"`] in /
  const files = globSync('{rotation,fleet,functions,local}/**/*.ts', { cwd })
  expect(files.length).toBeGreaterThan(100)
  expect(files.filter(file => reads.test(readFileSync(`${cwd}/${file}`, 'utf8')))).toEqual([
    'rotation/tags.ts',
  ])
})
