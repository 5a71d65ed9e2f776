import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import manifest from '../package.json' with { type: 'json' }

const project = join(import.meta.dirname, '..')
const read = (page: string) => readFileSync(join(project, page), 'utf8')
const guide = read('CONTRIBUTING.md')
const quoted = [...guide.matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text)

/** Paths that a run makes, or that are no files. */
const MADE = ['.cache', 'test/functions/promotionOfMany']

test('every path in CONTRIBUTING.md exists', () => {
  const paths = quoted.filter(text => /^[\w./]*(\/|\/[\w.]+|\.\w+)$/.test(text) && !/^_|^\//.test(text))
  expect(paths).toContain('rotation/engines/engine.ts')
  expect(paths.length).toBeGreaterThan(80)
  // A name without a folder is a file in the folder that its line names.
  const isThere = (path: string) =>
    existsSync(join(project, path)) || globSync(`{rotation,cli}/**/${path}`, { cwd: project }).length > 0
  expect(paths.filter(path => !isThere(path) && !MADE.includes(path))).toEqual([])
})

test('every npm command in CONTRIBUTING.md exists, and so do its tests', () => {
  const commands = [...guide.matchAll(/npm run ([\w:]+)(?: -- ([\w/]+))?/g)]
  expect(commands.map(([, script]) => script)).toContain('check')
  for (const [command, script = '', path = ''] of commands) {
    expect(Object.keys(manifest.scripts), command).toContain(script)
    const there = !path || existsSync(join(project, path)) || existsSync(join(project, `${path}.test.ts`))
    expect(there, command).toBe(true)
  }
})

/** The sections that a version in CHANGELOG.md may have, in their order. */
const SECTIONS = ['Breaking', 'Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security']

test('each version in CHANGELOG.md has its sections in their order, each once and with a line', () => {
  const [, , ...versions] = read('CHANGELOG.md').split(/^## /m)
  expect(versions[0]).toMatch(/^Unreleased\n/)
  for (const version of versions) {
    const sections = version.split(/^### /m).slice(1)
    const names = sections.map(text => text.split('\n')[0] ?? '')
    expect(names.length).toBeGreaterThan(0)
    expect(names).toEqual(SECTIONS.filter(name => names.includes(name)))
    for (const section of sections) expect(section).toMatch(/^- /m)
  }
})
