import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { runRotation, type Task } from '../../local/embedded/stateMachine.ts'
import {
  createdRotation,
  executionInput,
  executionName,
  makeFailingTask,
  makeTaskFailingFirst,
  makeTasks,
  retiringStates,
} from '../support/rotateTasks.ts'

beforeAll(() => {
  vi.stubEnv('KEYTURN_PEER_REGIONS', 'us-east-1')
})
afterAll(() => {
  vi.unstubAllEnvs()
})

describe('replicas in other Regions', () => {
  const CreateSecret = () => ({ ...createdRotation, grace: 1, replicas: ['us-east-1'] })
  const replicated = { outcome: 'replicated', regions: ['us-east-1'] }
  const before = ['MayHaveReplicas', 'LookAtReplicas', 'CreateSecret', 'HasReplicas']
  const steps = ['SetSecret', 'TestSecret', 'FinishSecret', 'AnnounceSuccess', 'MustRetire']
  const good = [...before, 'AwaitPendingReplicas', 'MustRehearse', ...steps]
  const followed = ['MayAnnounceReplicated', 'AnnounceReplicated', 'Followed']

  test('are waited for after the success is announced, and before the grace time begins', async () => {
    const AwaitReplicas = makeTaskFailingFirst('ReplicasBehind', 3, replicated)
    const { all, events } = makeTasks({ CreateSecret, AwaitReplicas, LookBeforeRetiring: () => replicated })
    const { states, tries, output } = await runRotation(all, executionName, executionInput)
    const after = ['AwaitReplicas', ...followed, ...retiringStates]
    expect(states).toEqual([...good, ...after])
    expect(tries.AwaitReplicas).toBe(4)
    expect(output).toMatchObject({ replication: replicated, retirement: { outcome: 'retired' } })
    expect(events.map(({ DetailType }) => DetailType)).toEqual([
      'Credential Rotated',
      'Credential Replicated',
    ])
  })

  test.each([
    ['ReplicasBehind', 9],
    ['NotPermitted', 1],
  ])('that are behind (%s) are announced, and waited for on', async (error, tried) => {
    const AwaitReplicasLonger = makeTaskFailingFirst('ReplicasBehind', 20, replicated)
    const { all, events } = makeTasks({
      CreateSecret,
      AwaitReplicas: makeFailingTask(error),
      AwaitReplicasLonger,
    })
    const { states, tries } = await runRotation(all, executionName, executionInput)
    expect(tries).toMatchObject({ AwaitReplicas: tried, AwaitReplicasLonger: 21 })
    expect(states.slice(good.length)).toEqual([
      'AwaitReplicas',
      'AnnounceReplicasBehind',
      'AwaitReplicasLonger',
      ...followed,
      ...retiringStates,
    ])
    expect(events[1]).toMatchObject({
      DetailType: 'Credential Replicas Behind',
      Detail: { severity: 'error', rotation: { id: 'app', replication: { Error: error } } },
    })
  })

  test('that stay behind leave open what was replaced, without a failure of the rotation', async () => {
    const never = makeFailingTask('ReplicasBehind')
    const { all } = makeTasks({ CreateSecret, AwaitReplicas: never, AwaitReplicasLonger: never })
    const { states, tries, failure, output } = await runRotation(all, executionName, executionInput)
    expect([states.at(-1), failure]).toEqual(['LeftOpen', undefined])
    expect(output).toMatchObject({ replication: { Error: 'ReplicasBehind' } })
    expect(tries.RetireSecret).toBeUndefined()
    // After the first minutes, for seven days.
    const waits = Array.from({ length: (tries.AwaitReplicasLonger ?? 0) - 1 }, (_, n) =>
      Math.min(60 * 2 ** n, 900),
    )
    const days = waits.reduce((sum, wait) => sum + wait, 0) / 86_400
    expect(days).toBeGreaterThan(6.9)
    expect(days).toBeLessThan(7.1)
  })

  test.each(['Throttled', 'NotPermitted', 'StoreFailed', 'Unexpected', 'Lambda.TooManyRequestsException'])(
    'are waited for on, although %s is thrown day after day',
    async error => {
      const AwaitReplicasLonger = makeTaskFailingFirst(error, 40, replicated)
      const { all } = makeTasks({
        CreateSecret,
        AwaitReplicas: makeFailingTask('ReplicasBehind'),
        AwaitReplicasLonger,
      })
      const { states } = await runRotation(all, executionName, executionInput)
      expect(states.slice(good.length + 3)).toEqual([...followed, ...retiringStates])
    },
  )

  test('of a secret that no longer exists are not waited for', async () => {
    const AwaitReplicasLonger = makeFailingTask('InvalidCredential')
    const { all } = makeTasks({
      CreateSecret,
      AwaitReplicas: makeFailingTask('ReplicasBehind'),
      AwaitReplicasLonger,
    })
    const { states, tries } = await runRotation(all, executionName, executionInput)
    expect([states.at(-1), tries.AwaitReplicasLonger]).toEqual(['LeftOpen', 1])
  })

  test('are waited for also if nothing is to be closed, and before the stay on a clone', async () => {
    const AwaitReplicas = () => replicated
    for (const [more, last] of [
      [{}, 'Rotated'],
      [{ grace: 1, halfway: true }, 'StayOnClone'],
    ] as const) {
      const CreateSecret = () => ({ ...createdRotation, ...more, replicas: ['us-east-1'] })
      const { states } = await runRotation(
        makeTasks({ CreateSecret, AwaitReplicas }).all,
        executionName,
        executionInput,
      )
      expect(states.indexOf('AwaitReplicas')).toBe(good.length)
      expect(states[good.length + 4]).toBe(last)
    }
  })

  describe.each([
    ['LookBeforeRetiring', {}, 'RetireSecret'],
    ['LookBeforeMovingBack', { halfway: true, clone: 'drop' }, 'MoveBack'],
  ] as const)('right before what was replaced is closed, in %s', (look, more, next) => {
    const CreateSecret = () => ({ ...createdRotation, grace: 1, ...more })

    test('are asked for, and the answer is in the state', async () => {
      const seen: unknown[] = []
      const answer = { outcome: 'replicated', empty: ['us-east-1'] }
      const { all } = makeTasks({
        CreateSecret,
        [look]: (event: unknown) => {
          seen.push(event)
          return answer
        },
      })
      const { output, states } = await runRotation(all, executionName, executionInput)
      expect(seen).toMatchObject([{ look: 'retiring', execution: executionName, rotation: { id: 'app' } }])
      expect(states).toContain(next)
      expect(output).toMatchObject({ replication: answer })
    })

    test('that another Region has promoted are announced, and what was replaced stays open at once', async () => {
      const promoted = makeFailingTask('PromotedElsewhere')
      const { all, events } = makeTasks({ CreateSecret, [look]: promoted, AwaitReplicasLonger: promoted })
      const { states, tries, failure, output } = await runRotation(all, executionName, executionInput)
      expect(states.slice(states.indexOf(look))).toEqual([
        look,
        'AnnounceReplicasBehind',
        'AwaitReplicasLonger',
        'LeftOpen',
      ])
      expect(tries).toMatchObject({ [look]: 1, AwaitReplicasLonger: 1 })
      expect([failure, tries[next]]).toEqual([undefined, undefined])
      expect(output).toMatchObject({ replication: { Error: 'PromotedElsewhere' } })
      expect(events.map(({ DetailType }) => DetailType)).toEqual([
        'Credential Rotated',
        'Credential Replicas Behind',
      ])
    })

    test('that follow another Region are announced and waited for, and the grace time begins anew', async () => {
      let looks = 0
      const { all } = makeTasks({
        CreateSecret,
        [look]: () => (looks++ < 9 ? makeFailingTask('ReplicasBehind')() : replicated),
        AwaitReplicasLonger: makeTaskFailingFirst('ReplicasBehind', 20, replicated),
      })
      const { states, tries } = await runRotation(all, executionName, executionInput)
      expect(tries).toMatchObject({ [look]: 10, AwaitReplicasLonger: 21, [next]: 1 })
      const waits = states.filter(state => ['GraceBeforeLook', 'StayOnClone'].includes(state))
      expect(waits).toHaveLength(2)
    })

    test('of a secret that no longer exists do not matter, as the next state reports that', async () => {
      const { all } = makeTasks({ CreateSecret, [look]: makeFailingTask('InvalidCredential') })
      const { states } = await runRotation(all, executionName, executionInput)
      expect(states[states.indexOf(look) + 1]).toBe(next)
    })
  })

  test('are not waited for if there are none', async () => {
    expect((await runRotation(makeTasks().all, executionName, executionInput)).states).toEqual([
      ...before,
      ...steps,
      'Rotated',
    ])
  })

  test('are not looked at if the deployment names no peer Region', async () => {
    vi.stubEnv('KEYTURN_PEER_REGIONS', '')
    const { states } = await runRotation(makeTasks().all, executionName, executionInput)
    vi.stubEnv('KEYTURN_PEER_REGIONS', 'us-east-1')
    expect(states.slice(0, 3)).toEqual(['MayHaveReplicas', 'CreateSecret', 'HasReplicas'])
  })

  test('of a version that is no longer current are not announced, as its successor’s rotation does that', async () => {
    const AwaitReplicas = () => ({ outcome: 'superseded' })
    const { all, events } = makeTasks({ CreateSecret, AwaitReplicas })
    const { states } = await runRotation(all, executionName, executionInput)
    expect(states.slice(-5)).toEqual(['MayAnnounceReplicated', 'Followed', ...retiringStates])
    expect(events.map(({ DetailType }) => DetailType)).toEqual(['Credential Rotated'])
  })

  test('are looked at before createSecret, which gets the answer or the error, whatever the input says', async () => {
    for (const [task, tried, answer] of [
      [makeTaskFailingFirst('ReplicasBehind', 3, { outcome: 'following' }), 4, { outcome: 'following' }],
      [
        makeFailingTask('ReplicasBehind'),
        6,
        { Error: 'ReplicasBehind', Cause: expect.stringContaining('the reason') },
      ],
      [
        makeFailingTask('Unexpected'),
        1,
        { Error: 'Unexpected', Cause: expect.stringContaining('the reason') },
      ],
    ] as const) {
      const seen: unknown[] = []
      const CreateSecret: Task = event => {
        seen.push(event)
        return createdRotation
      }
      const { all } = makeTasks({ CreateSecret, LookAtReplicas: task })
      const forged = { ...executionInput, replication: { outcome: 'following', empty: ['us-east-1'] } }
      const { tries } = await runRotation(all, executionName, forged)
      expect(tries.LookAtReplicas).toBe(tried)
      expect(seen).toMatchObject([{ looked: 'secrets-manager', rotation: { replication: answer } }])
    }
  })

  test('that never get the pending value, or that nobody may ask, delay nothing', async () => {
    for (const AwaitPendingReplicas of [() => ({ outcome: 'late' }), makeFailingTask('NotPermitted')]) {
      const { all } = makeTasks({ CreateSecret, AwaitPendingReplicas, AwaitReplicas: () => replicated })
      const { states, tries, failure } = await runRotation(all, executionName, executionInput)
      expect([states.at(-1), failure]).toEqual(['RetireSecret', undefined])
      expect(tries.AwaitPendingReplicas).toBe(1)
    }
  })
})
