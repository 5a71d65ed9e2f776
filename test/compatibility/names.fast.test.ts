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

  test('that is there is listed: a new one with the release that is to have it', () => {
    expect(today[kind].length).toBeGreaterThan(4)
    expect(today[kind].filter(name => !(name in listed))).toEqual([])
  })

  test('that is listed is there: it was not renamed, and did not go', () => {
    const there = kind === 'field' ? new Set([...today.field, ...carried]) : new Set<unknown>(today[kind])
    expect(Object.keys(listed).filter(name => !there.has(name))).toEqual([])
  })
})

test('what executions of the last release carried is listed with a release before this one', () => {
  // The names of a recording, not of a state.
  const own = ['name', 'stateMachine', 'steps', 'state', 'input', 'output', 'error']
  const fields: Record<string, string> = names.field
  const old = Object.keys(fields).filter(name => fields[name] !== manifest.version)
  expect([...carried].filter(name => !own.includes(`${name}`) && !old.includes(`${name}`))).toEqual([])
})

test('no function needs what is left out as the command alone needs it', () => {
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
