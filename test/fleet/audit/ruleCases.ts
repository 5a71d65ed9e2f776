import { describe, expect, test } from 'vitest'
import type { CredentialFacts, Facts } from '../../../fleet/audit/facts.ts'
import type { Policy } from '../../../fleet/audit/policy/policy.ts'
import type { RuleText } from '../../../fleet/audit/report.ts'
import { factsOf, foundIn } from './facts.ts'

type Given = { facts: CredentialFacts[] | Facts; policy?: Partial<Policy>; found?: string[] }

/** Of each rule what breaks it, with all that is found then, and what nearly does, in which it finds nothing. */
export type Cases = Record<string, { hits: Record<string, Given>; near: Record<string, Given> }>

/** Runs the cases, which have to be those of these rules and no others. */
export function lookAt(rules: RuleText[], cases: Cases): void {
  test('each rule has what breaks it, and what nearly does', () => {
    expect(Object.keys(cases).sort()).toEqual(rules.map(({ id }) => id).sort())
    for (const { hits, near } of Object.values(cases))
      expect([Object.keys(hits).length, Object.keys(near).length]).not.toContain(0)
  })

  describe.each(Object.entries(cases))('%s', (rule, { hits, near }) => {
    test.each(Object.entries(hits))('finds: %s', (_, given) => {
      const [first] = Array.isArray(given.facts) ? given.facts : given.facts.credentials
      expect(found(given)).toEqual((given.found ?? [`${rule} ${first?.name}`]).sort())
    })

    test.each(Object.entries(near))('and not: %s', (_, given) => {
      expect(found(given).filter(each => each.startsWith(`${rule} `))).toEqual([])
    })
  })
}

const found = ({ facts, policy }: Given) =>
  foundIn(Array.isArray(facts) ? factsOf(facts) : facts, policy).sort()
