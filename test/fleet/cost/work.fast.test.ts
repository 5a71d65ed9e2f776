import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { BilledItem } from '../../../fleet/cost/billedItems.ts'
import { STACK_RESOURCE_COUNTS } from '../../../fleet/cost/deployment.ts'
import { rotationWorkOf } from '../../../fleet/cost/itemUses.ts'
import type { StateName } from '../../../fleet/states.ts'
import rotate from '../../../statemachines/rotate.asl.json' with { type: 'json' }
import rotateDue from '../../../statemachines/rotate-due.asl.json' with { type: 'json' }

const project = join(import.meta.dirname, '../../..')
const billed: BilledItem = {
  isCredential: true,
  arn: 'an-arn',
  store: 'secrets-manager',
  region: 'us-east-1',
  team: 'one',
  isReplica: false,
  isAdvanced: false,
  isEncrypted: false,
  reads: 0,
  readsEstimated: false,
}
const rotation = { everyDays: 1, by: 'service', closes: false, replicas: 0 } as const

type State = { Next?: string; Default?: string; Choices?: { Next: string }[]; Branches?: object[] }
type States = Record<string, State>
/**
 * The number of states on a way from the beginning, if the state machine has it. Of a Parallel the first of each branch counts
 * too, which goes well.
 */
function steps({ StartAt, States }: { StartAt: string; States: object }, way: StateName[]): number {
  expect(way[0]).toBe(StartAt)
  for (const [index, name] of way.slice(0, -1).entries()) {
    const { Next, Default, Choices = [] } = (States as States)[name] ?? {}
    expect([Next, Default, ...Choices.map(choice => choice.Next)]).toContain(way[index + 1])
  }
  const { Next, Default } = (States as States)[way.at(-1) ?? ''] ?? {}
  expect([Next, Default]).toEqual([undefined, undefined])
  const branches = way.flatMap(name => (States as States)[name]?.Branches ?? [])
  return way.length + branches.length
}
const change: StateName[] = ['SetSecret', 'TestSecret', 'FinishSecret', 'AnnounceSuccess', 'MustRetire']

test('a rotation is billed for the states that it goes through', () => {
  const begin: StateName[] = ['MayHaveReplicas', 'CreateSecret', 'HasReplicas']
  const rehearsal: StateName[] = ['Rehearse', 'Rehearsed']
  const single = steps(rotate, [...begin, ...rehearsal, ...change, 'Rotated'])
  const closing = steps(rotate, [...begin, ...change, 'Grace', 'RetireSecret'])
  const replicated = steps(rotate, [
    'MayHaveReplicas',
    'LookAtReplicas',
    'CreateSecret',
    'HasReplicas',
    'AwaitPendingReplicas',
    'MustRehearse',
    ...rehearsal,
    ...change,
    'AwaitReplicas',
    'MayAnnounceReplicated',
    'AnnounceReplicated',
    'Followed',
    'Rotated',
  ])
  expect(rotationWorkOf(billed, rotation).transitions).toBe(single)
  expect(rotationWorkOf(billed, { ...rotation, closes: true }).transitions).toBe(closing)
  expect(rotationWorkOf(billed, { ...rotation, replicas: 1 }).transitions).toBe(replicated)
})

test('a run in which nothing is due enters the four states that docs/schedules.md has', () => {
  expect(steps(rotateDue, ['FindDue', 'AnyLate', 'AnythingDue', 'Done'])).toBe(4)
})

test('a stack has the alarms, dashboards, keys and polled queues that are billed', () => {
  const text = globSync('resources/*.yml', { cwd: project })
    .map(file => readFileSync(join(project, file), 'utf8'))
    .join('\n')
  const count = (type: string) => text.split(`Type: AWS::${type}\n`).length - 1
  expect({
    alarms: count('CloudWatch::Alarm'),
    dashboards: count('CloudWatch::Dashboard'),
    keys: count('KMS::Key'),
    polledQueues: count('Lambda::EventSourceMapping'),
  }).toEqual(STACK_RESOURCE_COUNTS)
})

test('the calls of a rotation are those that the bench counts at most', async () => {
  const results = readFileSync(join(project, 'bench/rotation/RESULTS.md'), 'utf8')
  const calls = (title: string) => Number(new RegExp(`^\\| ${title} +\\| +(\\d+) `, 'm').exec(results)?.[1])
  expect(rotationWorkOf(billed, rotation).calls).toBe(calls('single-user'))
  expect(rotationWorkOf(billed, { ...rotation, closes: true }).calls).toBe(
    calls('alternating-users, a later one') + calls('— its retirement'),
  )
})
