import { expect, test } from 'vitest'
import { mapped, parseHostMap } from '../../../rotation/promotion/hostMap.ts'

test.each([
  { 'a.old': 'a.new', 'b.old': 'a.new' },
  { 'a:1': 'a:2', 'b:1': 'B' },
  { a: 'A', 'b:1': 'a:3' },
  { 'a:1': 'b', 'b:2': 'c' },
])('a map by which every host stays that took a place: %o', lines => {
  expect(parseHostMap(JSON.stringify(lines)).size).toBe(Object.keys(lines).length)
})

test.each([
  { 'a.old': 'a.new', 'a.new': 'a.old' },
  { a: 'B', b: 'c' },
  { 'a:1': 'b:2', 'b:2': 'c' },
  { 'a:1': 'b:2', b: 'c' },
  { 'a:1': 'b', 'b:1': 'a' },
  { a: 'b', 'b:7': 'c' },
])('one by which a host would move twice is refused, with the line: %o', lines => {
  const [first = ''] = Object.keys(lines)
  expect(() => parseHostMap(JSON.stringify(lines))).toThrow(
    new RegExp(`^"${first}": what it becomes has a line of its own`),
  )
})

test('a line for a port comes before one for its host', () => {
  const map = parseHostMap('{"A": "b", "a:7": "[::1]:8"}')
  expect(mapped(map, { host: 'a', port: 7 })).toEqual({ host: '::1', port: 8 })
  expect(mapped(map, { host: 'a', port: 6 })).toEqual({ host: 'b', port: 6 })
  expect(mapped(map, { host: 'b', port: 7 })).toBeUndefined()
})
