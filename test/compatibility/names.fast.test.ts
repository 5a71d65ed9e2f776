import { globSync, readFileSync } from 'node:fs'
import { dirname, join, matchesGlob, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import names from './names.json' with { type: 'json' }
import { commandOnlyGlobs, nameKinds, namesIn } from './names.ts'

/*
 * names.json has every name that crosses from one process to another, with the release that first had it. What an earlier
 * release had stays: its executions may be in flight, and people's rules, dashboards and tags have it too.
 */

const project = join(import.meta.dirname, '../..')
const today = namesIn(project)
const recorded = readFileSync(join(import.meta.dirname, 'last/scenarios.jsonl'), 'utf8')
const carried = new Set([...recorded.matchAll(/"([a-z]\w*)":/g)].map(([, key]) => key))

describe.each(nameKinds)('every %s', kind => {
  const listed: Record<string, string> = names[kind]

  test('in the sources is listed, a new one with the coming release', () => {
    expect(today[kind].length).toBeGreaterThan(4)
    expect(today[kind].filter(name => !(name in listed))).toEqual([])
  })

  test('that is listed is in the sources, neither renamed nor removed', () => {
    const there = kind === 'field' ? new Set([...today.field, ...carried]) : new Set<unknown>(today[kind])
    expect(Object.keys(listed).filter(name => !there.has(name))).toEqual([])
  })
})

test('the keys that executions of the last release carried are listed with an earlier release', () => {
  // These are keys of the recording, not of a state.
  const own = ['name', 'stateMachine', 'steps', 'state', 'input', 'output', 'error']
  const fields: Record<string, string> = names.field
  const old = Object.keys(fields).filter(name => fields[name] !== manifest.version)
  expect([...carried].filter(name => !own.includes(`${name}`) && !old.includes(`${name}`))).toEqual([])
})

test('no function imports the files that are left out as used by the command alone', () => {
  const reached = new Set(globSync('functions/**/*.ts', { cwd: project }))
  for (const file of reached) {
    const text = readFileSync(join(project, file), 'utf8')
    for (const [, path = ''] of text.matchAll(
      /^(?:import|export) (?!type ).*? from '(\.{1,2}\/[^']+\.ts)'/gms,
    ))
      reached.add(relative(project, join(project, dirname(file), path)))
  }
  expect(reached.size).toBeGreaterThan(100)
  const leftOut = (file: string) => commandOnlyGlobs.some(pattern => matchesGlob(file, pattern))
  expect([...reached].filter(leftOut)).toEqual([])
})
