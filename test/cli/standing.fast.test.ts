import { describe, expect, test } from 'vitest'
import { type StandingFacts, standingOf } from '../../cli/standing/standing.ts'
import { isFinding, STATES } from '../../cli/standing/states.ts'
import type { RotationRecord } from '../../fleet/records/rotationRecord.ts'

const now = new Date('2026-11-29T12:00:00Z')
const hour = 3_600_000
const rotated: RotationRecord = {
  store: 'parameter-store',
  id: '/shop',
  execution: 'arn',
  token: 'token',
  startedBy: 'schedule',
  user: 'shop',
  began: '2026-11-29T10:00:00.000Z',
  ended: '2026-11-29T10:00:01.000Z',
  outcome: 'rotated',
}
const failed: RotationRecord = { ...rotated, outcome: 'failed', error: 'TestFailed', step: 'TestSecret' }
const inProgress: RotationRecord = { ...failed, error: 'RotationInProgress', step: 'CreateSecret' }
const facts = (more: Partial<StandingFacts> = {}, tags: Record<string, string> = {}): StandingFacts => ({
  credential: {
    store: 'parameter-store',
    id: '/shop',
    tags: { 'keyturn:managed': 'true', ...tags },
    currentSince: new Date('2026-11-29T10:00:00Z'),
  },
  rotatedBy: 'Keyturn, every 30d',
  records: [rotated],
  pending: undefined,
  replicas: [],
  parked: false,
  ...more,
})
const whyOf = (more: Partial<StandingFacts>) => standingOf(facts(more, every), now, hour).why
const stateOf = (more: Partial<StandingFacts>, tags?: Record<string, string>) =>
  standingOf(facts(more, tags), now, hour).state
const every = { 'keyturn:every': '30d' }
const at = (since: string) => ({
  credential: { ...facts({}, every).credential, currentSince: new Date(since) },
})
const pending = (running: boolean) => ({ pending: { token: 'token', running } })

describe('a credential', () => {
  test.each<[string, string, Partial<StandingFacts>]>([
    ['has rotated', 'waiting', {}],
    ['was never rotated', 'waiting', { records: [] }],
    ['nobody rotates by itself', 'by-hand', { rotatedBy: undefined }],
    ['rotates', 'rotating', pending(true)],
    ['gave way to a rotation that went well', 'waiting', { records: [inProgress, rotated] }],
    ['gave way to one that failed', 'failed', { records: [inProgress, failed] }],
    ['rotates after it had failed', 'rotating', { ...pending(true), records: [failed] }],
    [
      'was stopped once its new value was current',
      'not-closed',
      {
        records: [{ ...failed, outcome: 'stopped', step: 'FinishSecret' }],
        credential: { ...facts().credential, current: 'token' },
      },
    ],
    ['was left pending', 'stuck', pending(false)],
    ['was left pending after a failure', 'stuck', { ...pending(false), records: [failed] }],
    ['failed', 'failed', { records: [failed] }],
    ['failed after it had gone well', 'failed', { records: [failed, rotated] }],
    ['failed, and was mended by hand since', 'waiting', { records: [failed], ...at('2026-11-29T11:00:00Z') }],
    [
      'failed, and had an admin named in its value since',
      'failed',
      {
        records: [failed],
        ...at('2026-11-29T11:00:00Z'),
        passwordSince: new Date('2026-11-01T10:00:00Z'),
      },
    ],
    ['is locked out', 'locked-out', { records: [{ ...failed, outcome: 'locked-out' }], ...pending(false) }],
    [
      'is locked out, whoever wrote a value since',
      'locked-out',
      { records: [{ ...failed, outcome: 'locked-out' }], ...at('2026-11-29T11:00:00Z') },
    ],
    ['was stopped midway', 'stopped', { records: [{ ...failed, outcome: 'stopped' }] }],
    [
      'was stopped before anything was changed',
      'failed',
      { records: [{ ...failed, outcome: 'stopped', step: 'CreateSecret' }] },
    ],
    ...(['MayHaveReplicas', 'LookAtReplicas', 'AwaitPendingReplicas'] as const).map(
      (step): [string, string, Partial<StandingFacts>] => [
        `was stopped at ${step}`,
        'failed',
        { records: [{ ...failed, outcome: 'stopped', step }] },
      ],
    ),
    [
      'is at home where its replica is',
      'unmanaged',
      {
        replicas: [{ region: 'us-east-1', status: 'InSync' }],
        credential: {
          ...facts().credential,
          tags: { 'keyturn:managed': 'true', 'keyturn:home': 'us-east-1' },
        },
      },
    ],
    [
      'waits for a replica',
      'behind',
      { records: [{ ...rotated, behindSince: '2026-11-29T10:00:00Z', behind: 'it is Failed' }] },
    ],
    [
      'waits for a replica no more, and is open',
      'not-closed',
      { records: [{ ...rotated, behindSince: '2026-11-29T10:00:00Z', retirement: 'not-closed' }] },
    ],
    ['has its server down', 'parked', { parked: true }],
    ['is late', 'late', at('2026-10-01T00:00:00Z')],
    ['has a replica that failed', 'behind', { replicas: [{ region: 'eu-west-1', status: 'Failed' }] }],
    ['has one on its way', 'waiting', { replicas: [{ region: 'eu-west-1', status: 'InProgress' }] }],
    [
      'has an old user that was not closed',
      'not-closed',
      { records: [{ ...rotated, retirement: 'not-closed' }] },
    ],
    [
      'has one that should have been closed long ago',
      'not-closed',
      { records: [{ ...rotated, retirement: 'open', openUntil: '2026-11-29T10:30:00Z' }] },
    ],
    [
      'has one that is to be closed',
      'grace',
      { records: [{ ...rotated, retirement: 'open', openUntil: '2026-11-29T14:00:00Z' }] },
    ],
    [
      'had one not closed before the last rotation, which gave it a new password',
      'waiting',
      { records: [rotated, { ...rotated, retirement: 'not-closed' }] },
    ],
  ])('that %s: %s', (_, state, more) => {
    expect(stateOf({ ...at('2026-11-29T10:00:00Z'), ...more })).toBe(state)
  })

  test('with a wrong tag is late, and the tag is named', () => {
    const standing = standingOf(facts({}, { 'keyturn:every': 'often' }), now, hour)
    expect(standing).toMatchObject({ state: 'late', why: expect.stringContaining('keyturn:every') })
  })

  test('that Keyturn may not rotate is unmanaged', () => {
    const credential = { ...facts().credential, tags: {} }
    expect(stateOf({ credential, rotatedBy: undefined, records: [] })).toBe('unmanaged')
  })

  test('that needs attention has a remedy', () => {
    const bad: Partial<StandingFacts>[] = [
      { records: [{ ...failed, outcome: 'locked-out' }] },
      { records: [{ ...failed, outcome: 'stopped' }] },
      pending(false),
      { records: [failed] },
      { parked: true },
      { replicas: [{ region: 'eu-west-1', status: 'Failed' }] },
      at('2026-10-01T00:00:00Z'),
      { records: [{ ...rotated, retirement: 'not-closed' }] },
    ]
    for (const more of bad) {
      const { state, why, remedy } = standingOf(facts(more, every), now, hour)
      expect(isFinding(state), state).toBe(true)
      expect([state, why, remedy]).toEqual([state, expect.any(String), expect.any(String)])
    }
    expect(STATES.filter(isFinding)).toHaveLength(bad.length + 1)
  })
})

test('with two passwords it is the old password that was not closed, and not the user', () => {
  const notClosed = { ...rotated, user: 'shop', retirement: 'not-closed' as const }
  const since = at('2026-11-29T10:00:00Z')
  expect(whyOf({ ...since, records: [{ ...notClosed, strategy: 'dual-password' }] })).toMatch(
    /^the old password of shop could not be closed/,
  )
  expect(whyOf({ ...since, records: [{ ...notClosed, strategy: 'alternating-users' }] })).toMatch(
    /^the user shop could not be closed/,
  )
})
