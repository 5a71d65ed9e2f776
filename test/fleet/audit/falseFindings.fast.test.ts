import { describe, expect, test } from 'vitest'
import {
  ago,
  dayAgo,
  factsOf,
  foundIn,
  HERE,
  neverRead,
  parameter,
  readBy,
  readWhenRotated,
  replicaOf,
  rotateSecretIn,
  rotation,
  secret,
  THERE,
  withReplica,
  withRotations,
} from './facts.ts'

/* False findings that other tools are known for. */
describe('the known false findings of others', () => {
  test('a secret that was never read is not fine, and one that was read today is (steampipe#4103)', () => {
    expect(foundIn(factsOf([neverRead('never'), secret('today', { lastAccessed: dayAgo(0) })]))).toEqual([
      'never-read never',
    ])
  })

  test('a replica that is read daily keeps its primary from counting as unread', () => {
    const elsewhere = (given: object) => {
      const primary = secret('shop/db', {
        ...withReplica(given),
        readers: [],
        lastAccessed: dayAgo(200),
      })
      return foundIn(factsOf([primary, replicaOf(primary)], { there: { stack: { is: undefined } } }))
    }
    expect(elsewhere({ lastAccessed: dayAgo(1) })).toEqual([])
    expect(elsewhere({ lastAccessed: dayAgo(199) })).toEqual(['not-read shop/db'])
  })

  test('a secret that is younger than the policy’s limit does not count as unread', () => {
    expect(foundIn(factsOf([neverRead('new', { created: ago(30) })]))).toEqual([])
    expect(foundIn(factsOf([neverRead('old', { created: ago(91) })]))).toEqual(['never-read old'])
  })

  test('a secret that an AWS service manages counts as rotated, without a function of this stack', () => {
    const managed = {
      rotation: { enabled: true, next: ago(-3) },
      tags: { is: {} },
      history: { is: { rotations: [] } },
    }
    expect(foundIn(factsOf([secret('rds!cluster-1', { ...managed, owningService: 'rds' })]))).toEqual([])
  })

  test('a replica is not counted as one that does not rotate', () => {
    const primary = secret('shop/db', {
      tags: { is: { team: 'shop', 'keyturn:managed': 'true', 'keyturn:home': HERE } },
      rotation: { enabled: true, functionArn: rotateSecretIn(HERE), next: ago(-3) },
      replicas: { is: [{ region: THERE, status: 'InSync' }] },
    })
    const replica = replicaOf(primary, {
      rotation: { enabled: false },
      current: { at: ago(300), by: 'last-changed' },
    })
    expect(foundIn(factsOf([primary, replica]))).toEqual([])
  })

  test('a secret without a resource policy breaks no rule about policies', () => {
    expect(foundIn(factsOf([secret('shop/db')]))).toEqual([])
  })
})

describe('a secret that nobody but Keyturn reads', () => {
  test('is found, though each rotation moves the day on which it was last read', () => {
    expect(foundIn(factsOf([readWhenRotated('shop/db')]))).toEqual(['read-by-keyturn-alone shop/db'])
    expect(
      foundIn(
        factsOf([secret('shop/db', { readers: [readBy('keyturn', 10, true)], lastAccessed: dayAgo(10) })]),
      ),
    ).toEqual(['read-by-keyturn-alone shop/db'])
  })

  test('is found too if on that day a rotation failed or closed what it replaced, or if it is due now', () => {
    const read = (days: number, ...rotations: ReturnType<typeof rotation>[]) =>
      foundIn(
        factsOf([secret('a', { readers: [], lastAccessed: dayAgo(days), ...withRotations(...rotations) })]),
      )
    expect(read(2, rotation(2, { outcome: 'failed', error: 'Unreachable' }), rotation(10))).toContain(
      'read-by-keyturn-alone a',
    )
    expect(read(9, rotation(10, { openUntil: ago(9) }))).toEqual(['read-by-keyturn-alone a'])
    // It was closed a little after midnight, although it should have been before.
    expect(read(9, rotation(12, { openUntil: '2026-11-20T23:50:00.000Z' }))).toEqual([
      'read-by-keyturn-alone a',
    ])
    const due = {
      history: { is: { rotations: [rotation(30.5)] } },
      current: { at: ago(30.5), by: 'version' as const },
    }
    expect(foundIn(factsOf([secret('a', { readers: [], lastAccessed: dayAgo(0), ...due })]))).toEqual([
      'read-by-keyturn-alone a',
    ])
  })

  test('is not found if it was read on a later day', () => {
    expect(foundIn(factsOf([readWhenRotated('shop/db', { lastAccessed: dayAgo(9) })]))).toEqual([])
  })

  test('is unknown, and not fine, if CloudTrail was not read far enough back, or could not be read', () => {
    const swept = (sweep: object) =>
      foundIn(
        factsOf([readWhenRotated('a'), parameter('/a', { readers: [] })], {
          here: { sweep: sweep as never },
        }),
      )
    const unknown = ['read-by-keyturn-alone /a: unread', 'read-by-keyturn-alone a: unread']
    expect(swept({ is: { completeSince: ago(2), wantedSince: ago(7), events: 1e6 } })).toEqual(unknown)
    expect(swept({ unread: 'AccessDenied' })).toEqual(unknown)
    const seen = { completeSince: ago(7), wantedSince: ago(7), events: 100 }
    expect(swept({ is: { ...seen, lost: 1 } })).toEqual(unknown)
  })

  test('the last read of a replica proves nothing if a stack rehearses promotions', () => {
    const primary = secret('shop/db', {
      ...withReplica({ lastAccessed: dayAgo(1) }),
      readers: [],
      lastAccessed: dayAgo(10),
    })
    const all = [primary, replicaOf(primary)]
    expect(foundIn(factsOf(all))).toEqual(['read-by-keyturn-alone shop/db'])
    expect(foundIn(factsOf(all, { there: { stack: { is: undefined } } }))).toEqual([])
  })
})
