import { describe, expect, test } from 'vitest'
import * as door from '../../functions/shared/event.ts'
import { makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { runExecution, type Task } from '../../local/embedded/stateMachine.ts'
import { runDue } from '../support/runDue.ts'
import { definitions, lastScenarios, parserOf } from './lastRelease.ts'

const today = { ...door }

describe('what a function of the last release returned', () => {
  test.each(lastScenarios)(
    "leads an execution of today's definition to the same end: $name",
    async scenario => {
      const answers = Map.groupBy(scenario.steps, ({ state }) => state)
      const task =
        (state: string): Task =>
        () => {
          const { output, error } = answers.get(state)?.shift() ?? {}
          if (error) throw Object.assign(new Error('the reason'), { name: error })
          return output
        }
      const reached: string[] = []
      const tasks = Object.fromEntries(
        [...answers.keys()].map(state => [
          state,
          (input: unknown) => {
            reached.push(state)
            return task(state)(input)
          },
        ]),
      )
      const [first] = scenario.steps
      const { execution = 'run-1', rotation = {} } = (first?.input ?? {}) as {
        execution?: string
        rotation?: object
      }
      if (scenario.stateMachine === 'rotate-due') await runDue(tasks, execution)
      else await runExecution(scenario.stateMachine, tasks, execution, rotation)
      expect(reached).toEqual(scenario.steps.map(({ state }) => state))
    },
  )

  test.each(lastScenarios)("is parsed by today's functions without loss: $name", ({ steps }) => {
    for (const { state, input } of steps) {
      const { abandoned: _, ...given } = (input as { rotation?: { abandoned?: object } }).rotation ?? {}
      const name = parserOf[state as keyof typeof parserOf]
      const taken = name && (today[name](input) as { rotation?: object })
      // A rollback parses only the keys that it needs.
      const known = name === 'parseRollbackEvent' ? {} : given
      if (taken) expect(taken.rotation ?? {}, state).toMatchObject(known)
    }
  })

  test('covers every state that runs a function, and every strategy', () => {
    const states = lastScenarios.flatMap(({ steps }) => steps.map(({ state }) => state))
    expect(Object.keys(parserOf).filter(state => !states.includes(state))).toEqual([])
    const text = JSON.stringify(lastScenarios)
    for (const strategy of ['single-user', 'alternating-users', 'temporary-clone', 'dual-password', 'master'])
      expect(text).toContain(`"strategy":"${strategy}"`)
  })
})

test('a state machine of the last release retries errors that it does not know by name', () => {
  for (const name of ['rotate', 'rotate-due'] as const)
    expect(JSON.stringify(definitions.last[name]).match(/"Conflict"/g)?.length, name).toBeGreaterThan(3)
  expect(JSON.stringify(definitions.last)).not.toContain('"retries"')
})

test('a run that the last release began handles the result of today’s findDue as one turn', async () => {
  const rotation = (id: string) => ({ store: 'secrets-manager', id, token: `token-${id}`, until: null })
  const turns = [['admin'], ['first', 'second']].map(ids => ids.map(rotation))
  const group = { name: 'run-1 db', host: 'db', rotations: turns.flat(), turns }
  const none = { count: 0, names: [] }
  const started: unknown[] = []
  const execution = await runExecution(
    'rotate-due',
    {
      FindDue: () => ({
        groups: [group],
        hosts: 1,
        planned: 3,
        postponed: 0,
        caps: { hosts: 1, perHost: 5 },
        late: none,
        skipped: none,
      }),
      StartRotation: input => {
        started.push(input)
        return { ...(input as object), outcome: 'started' }
      },
      AwaitRotation: input => ({ ...(input as object), outcome: 'rotated' }),
      ReportRotations: () => ({ rotated: 3, failed: 0, skipped: 0, tell: false }),
      ...makeEventBusTasks(),
    },
    'run-1',
    {},
    { definition: definitions.last['rotate-due'] },
  )
  expect(execution.failure).toBeUndefined()
  expect(started).toEqual(turns.flat().map(rotation => ({ ...rotation, group: 'run-1 db' })))
})
