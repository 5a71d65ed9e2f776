import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findingKeyOf } from '../../../fleet/audit/baseline.ts'
import type { CredentialFacts, Fact, Facts } from '../../../fleet/audit/facts.ts'
import { judgeFacts } from '../../../fleet/audit/judge.ts'
import { DEFAULT_POLICY } from '../../../fleet/audit/policy/policy.ts'
import type { Finding } from '../../../fleet/audit/report.ts'
import {
  ago,
  atHome,
  byOthers,
  dayAgo,
  enrolled,
  factsOf,
  foundIn,
  HERE,
  neverRead,
  parameter,
  readWhenRotated,
  replicaOf,
  rotateSecretIn,
  rotation,
  secret,
  THERE,
  withReplica,
  withRotations,
} from './facts.ts'

const replicated = secret('replicated', { ...withReplica(), tags: { is: enrolled } })
const foreign = `arn:aws:lambda:${HERE}:123456789012:function:other`
const world: CredentialFacts[] = [
  secret('well'),
  readWhenRotated('alone'),
  neverRead('never', { tags: { is: {} } }),
  secret('admin', byOthers({ tags: { is: {} } })),
  secret('user', withRotations(rotation(200, { admin: secret('admin').arn }))),
  secret('failing', {
    ...withRotations(rotation(1, { outcome: 'failed', error: 'Unreachable' }), rotation(20)),
    pendingSince: { is: ago(3) },
  }),
  secret('foreign', {
    rotation: { enabled: true, functionArn: foreign, schedule: 'rate(120 days)', next: ago(2) },
    policy: { is: '{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}' },
    lastAccessed: dayAgo(100),
    readers: [],
  }),
  secret('gone', { tags: { is: atHome(THERE) } }),
  replicated,
  replicaOf(replicated, { labels: { v0: ['AWSCURRENT'] } }),
  parameter('/well'),
  parameter('/alone', { readers: [] }),
  parameter('/plain/password', { type: 'String', tags: { is: {} } }),
  parameter('/expires', { policies: ['Expiration'], pendingSince: { is: ago(3) } }),
]
const facts = factsOf(world, {
  here: {
    functions: { [foreign]: { is: undefined }, [rotateSecretIn(HERE)]: { is: { runtime: 'nodejs18.x' } } },
    subscribers: { is: 0 },
  },
})
const policy = { ...DEFAULT_POLICY, sameMinute: 1, adminUses: 1 }

/** @returns the path of every fact that may be unread */
function waysIn(value: unknown, way: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return []
  const deeper = Object.entries(value).flatMap(([key, inner]) => waysIn(inner, [...way, key]))
  return 'is' in value ? [way, ...deeper] : deeper
}

function without(ways: string[][]): Facts {
  const copy = structuredClone(facts)
  for (const way of ways) {
    const fact = way.reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], copy)
    const unread = fact as Fact<unknown> & Record<string, unknown>
    delete unread.is
    Object.assign(unread, { unread: 'AccessDenied' })
  }
  return copy
}

const subject = (finding: Finding) => findingKeyOf({ ...finding, status: 'found' })

/**
 * What a finding says; the number of those that are counted, and the team, are left out where they are not known. So is what
 * renews an old value, which is the careful way where nobody knows what rotates it.
 */
const said = ({ team: _, detail, remedy, ...finding }: Partial<Finding> = {}) => ({
  ...finding,
  ...(finding.rule !== 'too-old' && { remedy }),
  detail: detail?.replace(/^(At least )?\d+/, ''),
})

test('a fact that could not be read changes findings into "could not be read", and in no other way', () => {
  const clean = new Map(judgeFacts(facts, policy).findings.map(finding => [subject(finding), finding]))
  fc.assert(
    fc.property(fc.subarray(waysIn(facts), { minLength: 1, maxLength: 6 }), ways => {
      const all = judgeFacts(without(ways), policy).findings
      // A worse finding includes this one, as long as that can be judged.
      const findings = all.filter(
        finding => finding.rule !== 'never-rotates' || finding.credential?.name !== 'admin',
      )
      const left = new Set(findings.map(subject))
      // No finding is gone or new: each difference says that a fact could not be read.
      for (const identity of clean.keys()) expect(left).toContain(identity)
      for (const finding of findings)
        if (finding.status === 'found') expect(said(finding)).toEqual(said(clean.get(subject(finding))))
    }),
    { numRuns: 150 },
  )
})

test('each kind of fact is needed by some rule', () => {
  const clean = JSON.stringify(judgeFacts(facts, policy).findings)
  const kindOf = (way: string[]) => way.filter(key => !/^\d+$|^eu-|^arn:/.test(key)).join('.')
  const ways = waysIn(facts)
  const needed = ways.filter(way => JSON.stringify(judgeFacts(without([way]), policy).findings) !== clean)
  expect([...new Set(needed.map(kindOf))].sort()).toEqual([...new Set(ways.map(kindOf))].sort())
})

test('an unread fact of one credential affects only that one', () => {
  const [one, other] = [secret('one', { policy: { unread: 'Throttled' } }), secret('other')]
  expect(foundIn(factsOf([one, other]))).toEqual(
    [
      'open-to-everybody',
      'open-to-account',
      'open-to-organisation',
      'open-to-service',
      'open-unclear',
      'exposed',
    ].map(rule => `${rule} one: unread`),
  )
})
