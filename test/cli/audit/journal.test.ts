import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { Journal } from '../../../cli/audit/journal.ts'
import { CommandError } from '../../../cli/exit.ts'

const folder = mkdtempSync(join(tmpdir(), 'keyturn-journal-'))
const path = join(folder, 'journal')
const head = { account: '123456789012', stage: 'dev', region: 'eu-west-1' }
const units: [string, unknown][] = [
  ['ListSecrets eu-west-1 0', { items: [{ name: 'größe "1"\n' }], next: 'x' }],
  ['GetResourcePolicy arn:a', { found: null }],
  ['GetResourcePolicy arn:b', { found: 'ß'.repeat(3000) }],
]

beforeEach(() => rmSync(path, { force: true }))
afterAll(() => rmSync(folder, { recursive: true }))

function write() {
  const journal = Journal.begin(head, path)
  for (const [unit, found] of units) journal.keep(unit, found)
  journal.close()
}

describe('a journal', () => {
  test('that is cut off anywhere has each unit completely or not at all, and can be resumed', () => {
    write()
    const whole = readFileSync(path)
    const first = whole.indexOf('\n') + 1
    fc.assert(
      fc.property(fc.integer({ min: first, max: whole.length }), end => {
        writeFileSync(path, whole)
        truncateSync(path, end)
        const lines = whole.subarray(0, end).toString().split('\n').length - 2
        const journal = Journal.resume(path, head)
        expect(units.map(([unit]) => journal.take(unit))).toEqual(
          units.map(([, found], i) => (i < lines ? found : undefined)),
        )
        journal.keep('more', 1)
        journal.close()
        const again = Journal.resume(path, head)
        expect(again.take('more')).toBe(1)
        again.close()
      }),
    )
  })

  test('without a given path is deleted at its end, also if it was resumed', () => {
    const { path: own } = Journal.begin(head)
    const journal = Journal.resume(own, head)
    journal.close()
    expect(existsSync(dirname(own))).toBe(false)
    write()
    Journal.resume(path, head).close()
    expect(existsSync(path)).toBe(true)
  })

  test('returns a unit once', () => {
    write()
    const journal = Journal.resume(path, head)
    expect(journal.take('GetResourcePolicy arn:a')).toEqual({ found: null })
    expect(journal.take('GetResourcePolicy arn:a')).toBeUndefined()
    journal.close()
  })

  test('can be read only by its owner', () => {
    write()
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('without a given path has a folder of its own, which is deleted with it', () => {
    const journal = Journal.begin(head)
    expect(statSync(dirname(journal.path)).mode & 0o777).toBe(0o700)
    journal.close()
    expect(existsSync(dirname(journal.path))).toBe(false)
  })

  test('without a given path that was resumed is deleted at its end, and so is its folder if empty', () => {
    const left = Journal.begin(head)
    const { path } = left
    left.keep('unit', 1)
    const beside = join(dirname(path), 'mine')
    writeFileSync(beside, '')
    Journal.resume(path, head).close()
    expect([existsSync(path), existsSync(beside)]).toEqual([false, true])
    rmSync(beside)
    const again = Journal.begin(head)
    Journal.resume(again.path, head).close()
    expect(existsSync(dirname(again.path))).toBe(false)
    rmSync(dirname(path), { recursive: true })
  })

  test('with a given path is kept, also if it was resumed', () => {
    write()
    Journal.resume(path, head).close()
    expect(existsSync(path)).toBe(true)
  })

  test('that was moved elsewhere is deleted without its folder', () => {
    const left = Journal.begin(head)
    const moved = join(mkdtempSync(join(folder, 'elsewhere-')), 'journal')
    renameSync(left.path, moved)
    Journal.resume(moved, head).close()
    expect([existsSync(moved), existsSync(dirname(moved))]).toEqual([false, true])
    rmSync(dirname(left.path), { recursive: true })
  })

  test('is not overwritten', () => {
    write()
    expect(() => Journal.begin(head, path)).toThrow(/cannot be begun: something of that name exists already/)
  })

  test.each([
    ['another stage', { ...head, stage: 'prod' }, /its stage is dev, and not prod/],
    ['another account', { ...head, account: '1' }, /its account is 123456789012, and not 1/],
  ])('of %s is refused', (_, other, message) => {
    write()
    expect(() => Journal.resume(path, other)).toThrow(message)
    expect(() => Journal.resume(path, other)).toThrow(CommandError)
  })

  test.each([
    ['nothing', ''],
    ['a torn head', '{"format":"keyturn-audit-jour'],
    ['other JSON', '{"format":"keyturn-audit/1"}\n'],
    ['null', 'null\n'],
    ['text', 'hello\nyou\n'],
    ['other lines', `${JSON.stringify({ format: 'keyturn-audit-journal/1', ...head })}\n{"a":1}\n`],
  ])('that is %s is refused', (_, text) => {
    writeFileSync(path, text)
    expect(() => Journal.resume(path, head)).toThrow(/is not a journal of an audit/)
    expect(() => Journal.resume(path, head)).toThrow(CommandError)
  })

  test('with a unit that was changed is refused when that unit is read', () => {
    write()
    writeFileSync(path, readFileSync(path, 'utf8').replace('{"found":null}', '{"found":{}}'))
    const journal = Journal.resume(path, head)
    expect(() => journal.take('GetResourcePolicy arn:a')).toThrow(CommandError)
    expect(journal.take('GetResourcePolicy arn:b')).toBeDefined()
    journal.close()
  })

  test('that does not exist is refused with a message', () => {
    expect(() => Journal.resume(join(folder, 'none'), head)).toThrow(
      /cannot be resumed: there is no such file/,
    )
  })
})
