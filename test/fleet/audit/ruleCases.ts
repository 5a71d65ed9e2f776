import { describe, expect, test } from 'vitest'
import type { CredentialFacts, Facts } from '../../../fleet/audit/facts.ts'
import type { Policy } from '../../../fleet/audit/policy/policy.ts'
import type { RuleText } from '../../../fleet/audit/report.ts'
import { factsOf, foundIn } from './facts.ts'

type Given = { facts: CredentialFacts[] | Facts; policy?: Partial<Policy>; found?: string[] }

/** For each rule, facts that break it with all findings, and facts that nearly do, without a finding of the rule. */
export type Cases = Record<string, { hits: Record<string, Given>; near: Record<string, Given> }>

/** Makes the tests of the cases, which must be those of exactly these rules. */
export function lookAt(rules: RuleText[], cases: Cases): void {
  test('each rule has facts that break it, and facts that nearly do', () => {
    expect(Object.keys(cases).sort()).toEqual(rules.map(({ id }) => id).sort())
    for (const { hits, near } of Object.values(cases))
      expect([Object.keys(hits).length, Object.keys(near).length]).not.toContain(0)
  })

  describe.each(Object.entries(cases))('%s', (rule, { hits, near }) => {
    test.each(Object.entries(hits))('finds: %s', (_, given) => {
      const [first] = Array.isArray(given.facts) ? given.facts : given.facts.credentials
      expect(found(given)).toEqual((given.found ?? [`${rule} ${first?.name}`]).sort())
    })

    test.each(Object.entries(near))('does not find: %s', (_, given) => {
      expect(found(given).filter(each => each.startsWith(`${rule} `))).toEqual([])
    })
  })
}

const found = ({ facts, policy }: Given) =>
  foundIn(Array.isArray(facts) ? factsOf(facts) : facts, policy).sort()
