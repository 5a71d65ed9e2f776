import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

type State = {
  Next?: string
  Default?: string
  Choices?: { Next: string }[]
  Catch?: { Next: string }[]
  Branches?: { States: Record<string, State> }[]
}

const read = (path: string) => readFileSync(join(import.meta.dirname, '..', path), 'utf8')
const states: Record<string, State> = JSON.parse(read('statemachines/rotate.asl.json')).States
const [, picture = ''] = /```mermaid\n([^`]*)```/.exec(read('README.md')) ?? []
const drawnStates = [...picture.matchAll(/^ {2}(\w+)\["/gm)].map(([, name = '']) => name)

/** @returns the states that may follow one: after a final failure, or after success */
function followers(name: string, after: 'failure' | 'success'): string[] {
  const { Next, Default, Choices = [], Catch = [] } = states[name] ?? {}
  const targets = after === 'failure' ? Catch.map(entry => entry.Next) : Choices.map(choice => choice.Next)
  return after === 'failure' ? targets : [...targets, Next ?? '', Default ?? ''].filter(Boolean)
}

/** @returns whether a way leads from one of these states to `to` only through states that README does not show */
function leadsTo(from: string[], to: string, seen = new Set<string>()): boolean {
  return from.some(name => {
    if (name === to) return true
    if (drawnStates.includes(name) || seen.has(name)) return false
    seen.add(name)
    return leadsTo(followers(name, 'success'), to, seen)
  })
}

test("README's picture names states of the state machine", () => {
  expect(drawnStates.length).toBeGreaterThan(5)
  for (const name of drawnStates) expect(Object.keys(states)).toContain(name)
})

test("each arrow of README's picture is a way through the state machine", () => {
  const arrows = picture.split('\n').flatMap(line => {
    if (line.includes('["')) return []
    const names = line.match(/[A-Z]\w+/g) ?? []
    const kinds = line.match(/-->|-\. fails \.->/g) ?? []
    return kinds.map((kind, n) => ({ from: names[n] ?? '', to: names[n + 1] ?? '', kind }))
  })
  expect(arrows.length).toBeGreaterThan(10)
  // A failed branch of the rehearsal leads to the same next state as success, which then decides.
  const isChoiceBehind = (from: string) => states[from]?.Branches !== undefined
  for (const { from, to, kind } of arrows) {
    const after = kind === '-->' || isChoiceBehind(from) ? 'success' : 'failure'
    expect(leadsTo(followers(from, after), to), `${from} ${kind} ${to}`).toBe(true)
  }
})

test('docs/rotation.md explains every state', () => {
  const [explained = ''] = read('docs/rotation.md').split('## The whole state machine')
  const branches = Object.values(states).flatMap(({ Branches = [] }) => Branches)
  const names = [states, ...branches.map(branch => branch.States)].flatMap(each => Object.keys(each))
  expect(names.filter(name => !explained.includes(`**${name}**`))).toEqual([])
})
