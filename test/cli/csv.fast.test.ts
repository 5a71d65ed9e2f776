import { expect, test } from 'vitest'
import { toCsv } from '../../cli/csv.ts'

test('a table is written as RFC 4180 says, and a number as a number', () => {
  const rows = [
    ['app/db', 3, true],
    ['a "quoted", one', -1.5, undefined],
  ]
  expect(toCsv(['name', 'age', 'is new'], rows)).toBe(
    '"name","age","is new"\r\n"app/db",3,true\r\n"a ""quoted"", one",-1.5,\r\n',
  )
  expect(toCsv(['share'], [[Number.NaN]])).toBe('"share"\r\n\r\n')
})

test.each([
  '=1+1',
  '+1',
  '-1',
  '@SUM(A1)',
  '\t=1+1',
  '\r=1+1',
  '\n=1+1',
  '  =1+1',
  '＝1+1',
  '＋1',
  '－1',
  '＠SUM(A1)',
  '﹣1',
  '\u22121',
  '\u200b=1+1',
  '\ufeff=1+1',
  '\u202e=1+1',
  '\u001b[31m=1+1',
  '="a";"b"',
])('a spreadsheet runs no formula in %j', text => {
  expect(toCsv(['a name'], [[text]])).toMatch(/^"a name"\r\n"'[^\r\n\t\p{Cc}]*"\r\n$/u)
})

test('a text with such a sign inside is left as it is', () => {
  for (const text of ['app/db-1', 'a=b', "it's", 'rate(1 day)', '大'])
    expect(toCsv([], [[text]])).toContain(`"${text}"`)
})
