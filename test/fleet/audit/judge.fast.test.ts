import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { addCost, judgeFacts, unreadArnsIn } from '../../../fleet/audit/judge.ts'
import { DEFAULT_POLICY } from '../../../fleet/audit/policy/policy.ts'
import { type Finding, SEVERITIES } from '../../../fleet/audit/report.ts'
import { reportSchema } from '../../../fleet/audit/reportSchema.ts'
import { ruleTexts } from '../../../fleet/audit/rules/rules.ts'
import type { CostReport } from '../../../fleet/cost/costReport.ts'
import { auditSchema } from '../../../scripts/auditSchema.ts'
import {
  ago,
  dayAgo,
  factsOf,
  neverRead,
  openToAll,
  parameter,
  readWhenRotated,
  replicaOf,
  rotation,
  secret,
  THERE,
  told,
  userOfAdmin,
  withReplica,
  withRotations,
} from './facts.ts'

const published = readFileSync(new URL('../../../docs/audit.schema.json', import.meta.url), 'utf8')
const hasForm = new Ajv2020().compile(JSON.parse(published))

const primary = secret('shop/replicated', withReplica({ status: 'Failed' }))
const facts = factsOf([
  secret(
    'shop/well',
    withRotations(rotation(10, { engine: 'postgres', host: 'db', strategy: 'single-user' })),
  ),
  readWhenRotated('shop/alone'),
  neverRead('shop/never', { policy: openToAll }),
  secret('shop/hidden', { policy: { unread: 'Secrets Manager GetResourcePolicy: Throttled' } }),
  primary,
  replicaOf(primary),
  parameter('/shop/plain/password', { type: 'String', tags: { is: {} } }),
])

describe('a report', () => {
  const report = judgeFacts(facts, {
    ...DEFAULT_POLICY,
    exceptions: [{ rule: 'plain-string', name: '*', until: '2026-12-31', reason: 'a test' }],
  })

  test('has the form of the published schema', () => {
    expect(published).toBe(auditSchema())
    expect([hasForm(report), hasForm.errors]).toEqual([true, null])
    expect(v.parse(reportSchema, JSON.parse(JSON.stringify(report)))).toEqual(report)
    expect(hasForm({ ...report, findings: [{ ...report.findings[0], severity: 'grave' }] })).toBe(false)
  })

  test('lists the worst first, what is excepted last, and counts what was found', () => {
    const places = report.findings.map(({ severity, excepted }) =>
      excepted ? 9 : SEVERITIES.indexOf(severity),
    )
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    expect(report.counts).toMatchObject({
      credentials: 7,
      secrets: 5,
      replicas: 1,
      parameters: 1,
      excepted: 1,
    })
    expect(report.counts.findings).toEqual({ critical: 1, high: 1, medium: 2, low: 0 })
    expect(report.counts.unread).toBeGreaterThan(0)
  })

  test('has each credential, with only the facts that are known', () => {
    const rowOf = (name: string) => report.credentials.find(row => row.name === name)
    expect(rowOf('shop/well')).toEqual({
      store: 'secrets-manager',
      kind: 'primary',
      region: 'eu-west-1',
      name: 'shop/well',
      arn: secret('shop/well').arn,
      team: 'shop',
      engine: 'postgres',
      strategy: 'single-user',
      host: 'db',
      rotatedAt: ago(10),
      rotatedBy: 'table',
      ageDays: 10,
      maxAgeDays: 90,
      next: ago(-20),
      lastOutcome: 'rotated',
      lastRead: dayAgo(1),
      findings: {},
    })
    const hidden = secret('a', { history: { unread: 'DynamoDB Scan: AccessDenied' } })
    expect(judgeFacts(factsOf([hidden]), DEFAULT_POLICY).credentials[0]).not.toHaveProperty('ageDays')
    expect(rowOf('shop/alone')).toMatchObject({ lastRead: 'never', findings: { medium: 1 } })
    expect(report.credentials.find(({ kind }) => kind === 'replica')).toMatchObject({
      region: THERE,
      findings: {},
    })
  })

  test('says with a baseline what is new, and what is not', () => {
    const before = report.findings.filter(({ rule }) => rule !== 'never-read')
    const { findings } = judgeFacts(facts, DEFAULT_POLICY, before)
    const fresh = findings.filter(({ isNew }) => isNew).map(({ rule }) => rule)
    // The exception has ended.
    expect(fresh.sort()).toEqual(['never-read', 'plain-string'])
    expect(findings.every(({ isNew }) => isNew !== undefined)).toBe(true)
    expect(report.findings.some(finding => 'isNew' in finding)).toBe(false)
  })

  test('says with a baseline that another account has access, and not that one no longer has', () => {
    const open = (...accounts: string[]) => {
      const Statement = { Effect: 'Allow', Principal: { AWS: accounts }, Action: '*', Resource: '*' }
      return factsOf([secret('a', { policy: { is: JSON.stringify({ Statement }) } })])
    }
    const [one, both] = [open('999999999999'), open('999999999999', '888888888888')]
    const isNew = (now: typeof one, before: typeof one) =>
      judgeFacts(now, DEFAULT_POLICY, judgeFacts(before, DEFAULT_POLICY).findings).findings.map(
        ({ isNew }) => isNew,
      )
    expect([isNew(one, one), isNew(both, one), isNew(one, both)]).toEqual([[false], [true], [false]])
  })

  test('says with a baseline which findings are gone, without those that are unknown, excepted or not audited', () => {
    const { findings: before } = judgeFacts(facts, DEFAULT_POLICY)
    const [old = before[0] as Finding] = before
    const inRegion = (region: string): Finding => ({ ...old, region, credential: undefined as never })
    const after = {
      ...facts,
      credentials: facts.credentials.flatMap(credential => {
        // One is read now, one is deleted, and one cannot be judged.
        if (credential.name === 'shop/never') return secret('shop/never', { policy: { unread: 'Throttled' } })
        return credential.name === 'shop/alone' ? [] : credential
      }),
    }
    const excepting = [{ rule: 'plain-string', name: '*', until: '2026-12-31', reason: 'a test' }]
    const gone = (now = after, more: Finding[] = []) =>
      judgeFacts(now, { ...DEFAULT_POLICY, exceptions: excepting }, [...before, ...more]).gone?.map(told)
    expect(gone()).toEqual(['never-read shop/never', 'read-by-keyturn-alone shop/alone'])
    expect(gone(after, [inRegion('us-east-1'), { ...old, rule: 'of-another-version' }])).toEqual(gone())
    const unlisted = structuredClone(after)
    Object.assign(unlisted.regions, {
      'eu-west-1': { ...after.regions['eu-west-1'], secrets: { unread: 'AccessDenied' } },
    })
    expect(gone(unlisted)).toEqual(['never-read shop/never'])
    expect(judgeFacts(facts, DEFAULT_POLICY, before).gone).toEqual([])
    expect(judgeFacts(facts, DEFAULT_POLICY)).not.toHaveProperty('gone')
  })

  test('does not call a finding gone if a worse one replaces it', () => {
    const admin = (tags: object) => secret('a', { tags: { is: { team: 'shop', ...tags } } })
    const { findings } = judgeFacts(factsOf([admin({})]), DEFAULT_POLICY)
    expect(findings.map(told)).toEqual(['never-rotates a'])
    const now = judgeFacts(factsOf([admin({ 'keyturn:admin': 'true' })]), DEFAULT_POLICY, findings)
    expect([now.findings.map(told), now.gone]).toEqual([['admin-not-rotated a'], []])
  })

  test('has the cost of each credential, and of those that nobody reads', () => {
    const cost = {
      format: 'keyturn-cost/1',
      byCredential: { [secret('shop/well').arn]: 0.4, [parameter('/shop/gone').arn]: 1 },
    } as unknown as CostReport
    const costly = addCost(report, cost)
    expect(costly.cost).toBe(cost)
    expect(
      costly.credentials.flatMap(({ monthly, name }) => (monthly ? [`${name} ${monthly}`] : [])),
    ).toEqual(['shop/well 0.4'])
    expect([...unreadArnsIn(report)].sort()).toEqual([
      readWhenRotated('shop/alone').arn,
      neverRead('shop/never').arn,
    ])
  })

  test('is the same for the same facts, in whatever order they come', () => {
    const turned = judgeFacts({ ...facts, credentials: facts.credentials.toReversed() }, DEFAULT_POLICY)
    const straight = judgeFacts(facts, DEFAULT_POLICY)
    expect(turned.findings).toEqual(straight.findings)
  })
})

test('the ids of rules are all different, and each says what it is', () => {
  const ids = ruleTexts.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { id, title, why } of ruleTexts) {
    expect(id).toMatch(/^[a-z]+(-[a-z]+)*$/)
    expect(title).not.toMatch(/\.$/)
    expect(why).toMatch(/\.$/)
  }
})

test('ten thousand credentials are judged within seconds, and one admin of them all slows nothing', () => {
  const many = Array.from({ length: 10_000 }, (_, n) => userOfAdmin(`s${n}`))
  const began = performance.now()
  const { findings } = judgeFacts(factsOf([secret('admin'), ...many]), DEFAULT_POLICY)
  expect(findings.map(({ rule }) => rule)).toEqual(['admin-shared', 'same-minute'])
  expect(performance.now() - began).toBeLessThan(20_000)
})
