import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { CredentialFacts } from '../../../fleet/audit/facts.ts'
import { judgeFacts } from '../../../fleet/audit/judge.ts'
import { DEFAULT_POLICY, type Policy } from '../../../fleet/audit/policy/policy.ts'
import { isCommand } from '../../../fleet/audit/shellCommand.ts'
import {
  ACCOUNT,
  ago,
  byOthers,
  byService,
  enrolled,
  factsOf,
  HERE,
  hands,
  openToAll,
  parameter,
  replicaOf,
  rotateSecretIn,
  rotation,
  secret,
  THERE,
  withRotations,
} from './facts.ts'

/** The one finding of a rule. */
function findingOf(rule: string, credential: CredentialFacts, policy: Partial<Policy> = {}) {
  const { findings } = judgeFacts(factsOf([credential]), { ...DEFAULT_POLICY, ...policy })
  const [found, ...others] = findings.filter(finding => finding.rule === rule)
  expect([found?.status, others]).toEqual(['found', []])
  return found as NonNullable<typeof found>
}

const serviced = secret('a', { tags: { is: hands }, rotation: byService() })

describe('what nothing rotates', () => {
  const by = (...given: Parameters<typeof byOthers>) => secret('a', byOthers(...given))
  const old = { current: { at: ago(100), by: 'version' as const } }

  test.each([
    ['never-rotates', by()],
    ['never-rotates', by({ tags: { is: { ...hands, 'keyturn:managed': 'true' } } })],
    ['never-rotates', parameter('/a', { tags: { is: hands } })],
    ['too-old', by(old)],
    ['too-old', by({ ...old, tags: { unread: 'AccessDenied' } })],
    ['admin-not-rotated', by({ tags: { is: { ...hands, 'keyturn:admin': 'true' } } })],
  ])('has a remedy that changes nothing when it is pasted: %s', (rule, credential) => {
    const { remedy } = findingOf(rule, credential)
    expect(isCommand(remedy)).toBe(false)
    const [, heading = ''] = /docs\/audit\.md, "(.+?)"/.exec(remedy) ?? []
    expect(readFileSync(new URL('../../../docs/audit.md', import.meta.url), 'utf8')).toContain(
      `\n## ${heading}\n`,
    )
  })

  test('has a longer remedy if rotation was switched off', () => {
    const off = by({ rotation: { enabled: false, functionArn: rotateSecretIn('eu-west-1') } })
    expect(findingOf('never-rotates', off).remedy).toMatch(/^Find out why its rotation was switched off/)
  })

  test('does not include an old credential with a schedule, whose remedy is to rotate it as usual', () => {
    const tagged = secret('a', { ...old, ...withRotations(rotation(100)) })
    expect(findingOf('too-old', tagged).remedy).toBe('keyturn rotate secret:a --region eu-west-1')
    const service = 'aws secretsmanager rotate-secret --region eu-west-1 --secret-id a'
    expect(findingOf('too-old', { ...serviced, ...old, history: by().history }).remedy).toBe(service)
    expect(findingOf('too-old', by({ ...old, owningService: 'rds' })).remedy).toBe(service)
  })
})

test('the remedy for an open policy first shows the policy, as it may allow others that need access', () => {
  const policy = openToAll
  for (const it of [secret('a', { policy }), parameter('/a', { policy, tier: 'Advanced' })]) {
    const { remedy, detail } = findingOf('open-to-everybody', it)
    expect(remedy).toMatch(/^aws (secretsmanager get-resource-policy|ssm get-resource-policies) --region/)
    expect(detail).toMatch(
      /take out each statement that does, and leave the others, by aws \w+ put-resource-policy/,
    )
  }
})

describe('if the maximum age is less than a day', () => {
  const [HOUR, MINUTE] = [3600, 60]
  const tags = 'aws secretsmanager tag-resource --region eu-west-1 --secret-id a --tags'
  const rules =
    'aws secretsmanager rotate-secret --region eu-west-1 --secret-id a --no-rotate-immediately --rotation-rules'

  test.each([
    [90 * 24 * HOUR - 1, `${tags} Key=keyturn:every,Value=89d`],
    [12 * HOUR, `${tags} Key=keyturn:every,Value=12h`],
    [90 * MINUTE, `${tags} Key=keyturn:every,Value=1h`],
    [MINUTE, `${tags} Key=keyturn:every,Value=1m`],
  ])('the tag has hours or minutes: %i s', (maxAge, remedy) => {
    const every = { tags: { is: { ...enrolled, 'keyturn:every': '90d' } } }
    expect(findingOf('interval-too-long', secret('a', every), { maxAge }).remedy).toBe(remedy)
  })

  test.each([
    [7 * 24 * HOUR, `${rules} AutomaticallyAfterDays=7`],
    [12 * HOUR, `${rules} '{"ScheduleExpression":"rate(12 hours)"}'`],
    [4 * HOUR, `${rules} '{"ScheduleExpression":"rate(4 hours)"}'`],
    [
      3 * HOUR,
      'Secrets Manager rotates every 4 hours at most: end its schedule by cancel-rotate-secret, and tag it keyturn:every=3h and keyturn:managed=true.',
    ],
  ])('the schedule of Secrets Manager has hours, with its minimum: %i s', (maxAge, remedy) => {
    expect(findingOf('interval-too-long', serviced, { maxAge }).remedy).toBe(remedy)
  })

  test.each([
    [91, 90 * 24 * HOUR, 'more than 91 days old, and the policy allows 90 days'],
    [0.6, 12 * HOUR, 'more than 14 hours old, and the policy allows 12 hours'],
    [1.1, 26 * HOUR, 'more than 26 hours old, and the policy allows 26 hours'],
    [0.05, 30 * MINUTE, 'more than 1 hour old, and the policy allows 30 minutes'],
    [0.025, 30 * MINUTE, 'more than 36 minutes old, and the policy allows 30 minutes'],
  ])('the finding has the age and the limit in units that differ: %f days', (days, maxAge, says) => {
    const old = secret('a', {
      ...withRotations(rotation(days)),
      current: { at: ago(days), by: 'version' },
    })
    expect(findingOf('too-old', old, { maxAge }).detail).toContain(says)
  })

  test('its row has fractions of a day, and sorts by them', () => {
    const rowOf = (days: number, maxAge: number) => {
      const it = parameter('/a', {
        ...withRotations(rotation(days)),
        current: { at: ago(days), by: 'version' },
      })
      return judgeFacts(factsOf([it]), { ...DEFAULT_POLICY, maxAge }).credentials[0]
    }
    expect(rowOf(0.501, 12 * HOUR)).toMatchObject({ ageDays: 0.51, maxAgeDays: 0.5 })
    expect(rowOf(0.5, 12 * HOUR)).toMatchObject({ ageDays: 0.5, maxAgeDays: 0.5 })
    expect(rowOf(1.7, 24 * HOUR)).toMatchObject({ ageDays: 1, maxAgeDays: 1 })
  })
})

const remedyOf = (rule: string, facts: ReturnType<typeof factsOf>, policy: object = { customerKey: true }) =>
  judgeFacts(facts, { ...DEFAULT_POLICY, ...policy }).findings.find(finding => finding.rule === rule)?.remedy

test('a replica gets a key of your own by two commands, one after the other', () => {
  const primary = secret('a', { keyId: 'alias/shop' })
  expect(remedyOf('aws-key', factsOf([primary, replicaOf({ ...primary, keyId: 'alias/aws/x' })]))).toBe(
    `keyturn replicas secret:a --region ${HERE} --remove ${THERE} && keyturn replicas secret:a --region ${HERE} --add ${THERE} --key KEY`,
  )
})

test('a hostile ARN of a rotation function runs nothing when the remedy is pasted', () => {
  const functionArn = `arn:aws:lambda:${HERE}:${ACCOUNT}:function:a$(id)`
  const functions = { [functionArn]: { is: { runtime: 'nodejs18.x', state: 'Active' } } }
  const rotated = secret('a', { rotation: { enabled: true, functionArn, everyDays: 9 } })
  expect(remedyOf('function-runtime', factsOf([rotated], { here: { functions } }))).toContain(
    `--function-name '${functionArn}' --runtime`,
  )
})
