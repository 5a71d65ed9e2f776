import { expect, test } from 'vitest'
import { helpTexts } from '../../cli/reference.ts'

const helpOn = (columns: number) => helpTexts(columns).map(([, text]) => text)

test.each([40, 60, 80])('on %d columns no description is wrapped within a word', columns => {
  for (const text of helpOn(columns)) {
    const [items = ''] = text.split('\nExit codes:')
    for (const line of items.split('\n').filter(line => /^ +/.test(line)))
      expect(line.length, line).toBeLessThanOrEqual(columns)
  }
})

test('no text is lost if descriptions are below their terms', () => {
  const words = (columns: number) => helpOn(columns).map(text => text.split(/\s+/).sort().join(' '))
  expect(words(40)).toEqual(words(100))
})
