import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { readme } from '../docs/diagram.ts'
import * as errors from '../rotation/errors.ts'
import { parseTags } from '../rotation/options.ts'

const project = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(project, path), 'utf8')
const pages = [
  'README.md',
  ...readdirSync(join(project, 'docs'))
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`),
]
const headings = (page: string) => [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading ?? '')

test('the picture in the README is the state machine', () => {
  expect(read('README.md')).toBe(readme())
})

test('the runbook has an entry for every error name, and for no other', () => {
  const names = Object.values(errors)
    .map(error => error.name)
    .filter(name => name !== 'RotationError')
  const entries = headings('docs/runbook.md').slice(1)
  expect(entries.filter(entry => !entry.endsWith(' failed')).sort()).toEqual(names.sort())
})

test('every tag in docs/strategies.md is one that is understood, and every other is refused', () => {
  const tags = new Set(
    [...read('docs/strategies.md').matchAll(/`(keyturn:[\w-]+)`/g)].map(([, tag]) => tag ?? ''),
  )
  const values: Record<string, string> = {
    'keyturn:strategy': 'single-user',
    'keyturn:grace': '24h',
    'keyturn:PASSWORD_LENGTH': '40',
  }
  const defaults = { grace: 'never' as const, password: {} }
  for (const tag of tags)
    expect(() => parseTags({ [tag]: values[tag] ?? 'true' }, defaults), tag).not.toThrow()
  const known = (message: string) => message.split('there are ')[1]?.split(', ') ?? []
  try {
    parseTags({ 'keyturn:nonsense': '' }, defaults)
    expect.unreachable()
  } catch (error) {
    expect([...tags].sort()).toEqual(
      known((error as Error).message)
        .map(name => `keyturn:${name}`)
        .sort(),
    )
  }
})

test.each(pages)('%s: every link leads somewhere', page => {
  const anchor = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-')
  for (const [, target = ''] of read(page).matchAll(/\]\(([^)]+)\)/g)) {
    if (target.startsWith('https://')) continue
    const [path = '', fragment] = target.split('#')
    const file = path ? join(dirname(page), path) : page
    expect(existsSync(join(project, file)), target).toBe(true)
    if (fragment) expect(headings(file).map(anchor), target).toContain(fragment)
  }
})
