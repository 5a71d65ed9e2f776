import { describe, expect, test } from 'vitest'
import { type HistoryEvent, rotationRecordOf } from '../../../fleet/records/recordFromHistory.ts'
import type { StateName } from '../../../fleet/states.ts'

const execution =
  'arn:aws:states:eu-west-1:123456789012:execution:keyturn-prod-rotate:0a1b2c3d-0000-4000-8000-1'
const input = { store: 'secrets-manager', id: 'shop/database' }
const created = {
  ...input,
  token: '0a1b2c3d-0000-4000-8000-1',
  strategy: 'alternating-users',
  user: 'shop',
  nextUser: 'shop_clone',
  grace: 3600,
}
const start = Date.parse('2026-11-29T10:00:00Z')
const at = (seconds: number) => new Date(start + seconds * 1000)

/** @returns a history of these states, one second each, with this end */
function historyOf(states: [StateName<'rotate'>, object?][], end?: Partial<HistoryEvent>): HistoryEvent[] {
  const [first = input] = states.map(([, state]) => state)
  return [
    {
      type: 'ExecutionStarted',
      timestamp: at(0),
      executionStartedEventDetails: { input: JSON.stringify(first) },
    },
    ...states.map(([name, state = created], index) => ({
      type: 'TaskStateEntered',
      timestamp: at(index),
      stateEnteredEventDetails: { name, input: JSON.stringify(state) },
    })),
    ...(end ? [{ timestamp: at(states.length), ...end }] : []),
  ]
}
const untilGrace: [StateName<'rotate'>, object?][] = [
  ['CreateSecret', input],
  ['SetSecret'],
  ['TestSecret'],
  ['FinishSecret'],
  ['AnnounceSuccess'],
  ['MustRetire'],
  ['Grace'],
]

describe('the record of an execution', () => {
  test('that waits says until when what was replaced stays open', () => {
    expect(rotationRecordOf(execution, historyOf(untilGrace))).toEqual({
      ...input,
      execution,
      token: created.token,
      startedBy: 'by-hand',
      strategy: 'alternating-users',
      user: 'shop',
      nextUser: 'shop_clone',
      began: '2026-11-29T10:00:00.000Z',
      ended: '2026-11-29T10:00:04.000Z',
      milliseconds: 4000,
      outcome: 'rotated',
      retirement: 'open',
      openUntil: '2026-11-29T11:00:06.000Z',
    })
  })

  test.each([
    [{ type: 'ExecutionAborted', executionAbortedEventDetails: {} }, 'Aborted'],
    [
      { type: 'ExecutionTimedOut', executionTimedOutEventDetails: { error: 'States.Timeout' } },
      'States.Timeout',
    ],
  ])('that was stopped while it waited says that what was replaced stays open', (end, error) => {
    const record = rotationRecordOf(execution, historyOf(untilGrace, end))
    expect(record).toMatchObject({ outcome: 'rotated', retirement: 'not-closed', retirementError: error })
    expect(record).not.toHaveProperty('openUntil')
  })

  test('that a rehearsal ended says which one, and what createSecret had found out', () => {
    const single = { ...created, strategy: 'single-user', nextUser: 'shop', rehearse: true }
    const failure = { Error: 'TestFailed', Cause: '{"errorMessage":"testSecret: in the rehearsal"}' }
    const failed = { ...single, failure, failedState: 'RehearseTest' }
    const history = historyOf(
      [
        ['CreateSecret', input],
        ['HasReplicas', single],
        ['Rehearse', single],
        ['RehearseTest', single],
        ['RehearseFinish', single],
        ['RehearseRollback', single],
        ['AtRehearseTest', { ...single, failure }],
        ['Rehearsed', failed],
        ['DiscardSecret', failed],
        ['AnnounceFailure', { ...failed, rollback: { outcome: 'intact' } }],
        ['RotationFailed', failed],
      ],
      { type: 'ExecutionFailed', executionFailedEventDetails: { error: 'TestFailed' } },
    )
    expect(rotationRecordOf(execution, history)).toMatchObject({
      strategy: 'single-user',
      user: 'shop',
      outcome: 'failed',
      error: 'TestFailed',
      step: 'RehearseTest',
      reason: 'testSecret: in the rehearsal',
      rollback: 'intact',
    })
  })

  test('whose replicas stayed behind says that what was replaced is not closed', () => {
    const replication = { Error: 'ReplicasBehind', Cause: 'the replica in us-east-1 is Failed' }
    const behind = { ...created, replicas: ['us-east-1'], replication }
    const history = historyOf(
      [
        ...untilGrace.slice(0, 6),
        ['AwaitReplicas'],
        ['AnnounceReplicasBehind', behind],
        ['AwaitReplicasLonger', behind],
        ['LeftOpen', behind],
      ],
      { type: 'ExecutionSucceeded', executionSucceededEventDetails: { output: JSON.stringify(behind) } },
    )
    expect(rotationRecordOf(execution, history)).toMatchObject({
      outcome: 'rotated',
      retirement: 'not-closed',
      retirementError: 'ReplicasBehind',
    })
  })

  test('whose replica is behind says since when and why, until it is in sync', () => {
    const replication = {
      Error: 'ReplicasBehind',
      Cause: '{"errorMessage":"awaitReplicas: it is\\n Failed"}',
    }
    const behind = { ...created, replicas: ['us-east-1'], replication }
    const waits: [StateName<'rotate'>, object?][] = [
      ...untilGrace.slice(0, 6),
      ['AwaitReplicas'],
      ['AnnounceReplicasBehind', behind],
      ['AwaitReplicasLonger', behind],
    ]
    const found = rotationRecordOf(execution, historyOf(waits))
    expect(found).toMatchObject({
      outcome: 'rotated',
      behindSince: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      behind: 'awaitReplicas: it is Failed',
    })
    for (const state of ['AnnounceReplicated', 'Followed'] as const)
      expect(rotationRecordOf(execution, historyOf([...waits, [state, behind]]))).not.toHaveProperty(
        'behindSince',
      )
  })

  test('that was stopped midway says so, in which step and by whom', () => {
    const end = { type: 'ExecutionAborted', executionAbortedEventDetails: { cause: 'by\n me' } }
    expect(rotationRecordOf(execution, historyOf(untilGrace.slice(0, 3), end))).toMatchObject({
      outcome: 'stopped',
      error: 'Aborted',
      step: 'TestSecret',
      reason: 'by me',
      ended: '2026-11-29T10:00:03.000Z',
    })
  })

  test('that has only begun says that it runs', () => {
    expect(rotationRecordOf(execution, historyOf(untilGrace.slice(0, 1)))).toMatchObject({
      outcome: 'running',
    })
  })

  test('that failed although its version had become current says that it rotated', () => {
    const failure = { Error: 'Throttled', Cause: '{"errorMessage":"finishSecret: no answer"}' }
    const finished = { ...created, failure, rollback: { outcome: 'finished' } }
    const record = rotationRecordOf(
      execution,
      historyOf([
        ...untilGrace.slice(0, 4),
        ['RollbackSecret', { ...created, failure }],
        ['HadFinished', finished],
        ['AnnounceSuccess', finished],
      ]),
    )
    expect(record).toMatchObject({ outcome: 'rotated' })
    expect(record).not.toHaveProperty('error')
  })

  test('of a second attempt has the token, which is not its name', () => {
    const again = { ...input, token: created.token }
    const record = rotationRecordOf(`${execution}-2`, historyOf([['CreateSecret', again]]))
    expect(record).toMatchObject({ token: created.token, startedBy: 'secrets-manager' })
  })

  test.each([
    [{ event: 'e-1', token: created.token }, 'policy'],
    // Only Parameter Store sends events of policies.
    [{ store: 'secrets-manager', event: 'e-1' }, 'by-hand'],
    [{ moveBack: true }, 'way-back'],
    [{ group: 'run-1 db' }, 'schedule'],
  ])('whose input has %j: what started it', (more, startedBy) => {
    const started = { store: 'parameter-store', id: '/shop', ...more }
    expect(rotationRecordOf(execution, historyOf([['CreateSecret', started]]))).toMatchObject({ startedBy })
  })

  test('takes no facts from an input that somebody made', () => {
    const forged = { ...input, arn: 'arn:of:another', user: 'another', admin: 'arn:of:somebody' }
    const failure = { Error: 'NotPermitted', Cause: 'no' }
    const record = rotationRecordOf(
      execution,
      historyOf([
        ['CreateSecret', forged],
        ['DiscardSecret', { ...forged, failure }],
        ['AnnounceFailure', { ...forged, failure, rollback: { outcome: 'nothing' } }],
      ]),
    )
    expect(record).toMatchObject({ outcome: 'failed', step: 'CreateSecret', error: 'NotPermitted' })
    for (const fact of ['arn', 'user', 'admin']) expect(record).not.toHaveProperty(fact)
  })

  test('keeps one line of a text, of limited length', () => {
    const failure = { Error: 'E'.repeat(10_000), Cause: `${'one\n two'.repeat(1000)}` }
    const record = rotationRecordOf(
      execution,
      historyOf([
        ['CreateSecret', input],
        ['AnnounceFailure', { ...input, failure }],
      ]),
    )
    expect(record?.error).toHaveLength(300)
    expect(record?.reason).toHaveLength(300)
    expect(record?.reason).not.toContain('\n')
  })

  test.each([
    [{}],
    [{ store: 'elsewhere', id: 'x' }],
    [{ store: 'secrets-manager' }],
    [{ ...input, id: '' }],
  ])('does not exist if the input is %j', wrong =>
    expect(rotationRecordOf(execution, historyOf([['CreateSecret', wrong]]))).toBeUndefined(),
  )
  test('does not exist without a history', () => expect(rotationRecordOf(execution, [])).toBeUndefined())
})
