import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import manifest from '../package.json' with { type: 'json' }

type Step = { uses?: string; run?: string; with?: Record<string, unknown> }
type Workflow = {
  permissions: Record<string, string>
  jobs: Record<string, { 'timeout-minutes'?: number; steps: Step[] }>
}

const read = (path: string) => readFileSync(join(import.meta.dirname, '..', path), 'utf8')
const text = read('.github/workflows/ci.yml')
const { permissions, jobs } = parse(text) as Workflow
const steps = Object.values(jobs).flatMap(job => job.steps)
const commands = steps.flatMap(({ run }) => run?.trim().split('\n') ?? [])

test('the workflow may read the repository and nothing else, and leaves no token behind', () => {
  expect(permissions).toEqual({ contents: 'read' })
  const checkouts = steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'))
  expect(checkouts).toHaveLength(Object.keys(jobs).length)
  for (const step of checkouts) expect(step.with).toEqual({ 'persist-credentials': false })
})

test('each job ends by itself', () => {
  for (const job of Object.values(jobs)) expect(job['timeout-minutes']).toBeLessThanOrEqual(90)
})

test('each action is pinned to a commit, with its version in a comment', () => {
  const uses = text.match(/uses: .*/g) ?? []
  expect(uses).toHaveLength(steps.filter(step => step.uses).length)
  for (const line of uses) expect(line).toMatch(/^uses: [\w-]+\/[\w-]+@[\da-f]{40} # v\d+\.\d+\.\d+$/)
})

test('each npm command is a script of package.json', () => {
  expect(commands).toContain('.ci/run')
  const scripts = commands.flatMap(command => /^npm run (\S+)/.exec(command)?.[1] ?? [])
  expect(scripts).toContain('check')
  for (const script of scripts) expect(Object.keys(manifest.scripts)).toContain(script)
})

test('.nvmrc names the Node that npm ci brings', () => {
  expect(manifest.devDependencies.node).toMatch(new RegExp(`^\\^${read('.nvmrc').trim()}\\.`))
})
