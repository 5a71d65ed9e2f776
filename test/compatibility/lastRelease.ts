import { readFileSync } from 'node:fs'
import { SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StateName } from '../../fleet/states.ts'
import type * as today from '../../functions/shared/event.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { definitionOf } from '../../local/embedded/stateMachine.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { type Moto, startMoto } from '../support/moto.ts'
import { captureOutput } from '../support/observe.ts'
import { playScenarios, type Scenario, type Step } from './scenarios.ts'

/* What record.ts recorded of the last release: its state machines, parsers and executions. */

const folder = new URL('./last/', import.meta.url)
/** The last release's executions. */
export const lastScenarios: Scenario[] = readFileSync(new URL('scenarios.jsonl', folder), 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line))
const lastStates = new Set(lastScenarios.flatMap(({ steps }) => steps.map(({ state }) => state)))
/** The state machines of the last release and of this working tree. */
export const definitions = {
  last: { rotate: definitionOf('rotate', folder), 'rotate-due': definitionOf('rotate-due', folder) },
  today: { rotate: definitionOf('rotate'), 'rotate-due': definitionOf('rotate-due') },
}

/** The parser of the input that a state passes to its function. */
export const parserOf = {
  CreateSecret: 'parseCreateSecretEvent',
  DiscardSecret: 'parseRollbackEvent',
  RollbackAbandoned: 'parseRollbackEvent',
  RollbackSecret: 'parseRollbackEvent',
  SetSecret: 'parseRotationEvent',
  TestSecret: 'parseRotationEvent',
  FinishSecret: 'parseRotationEvent',
  RetireSecret: 'parseRotationEvent',
  MayMoveBack: 'parseRotationEvent',
  FindDue: 'parseFindDueEvent',
  StartRotation: 'parseStartRotationEvent',
  AwaitRotation: 'parseAwaitRotationEvent',
  ReportRotations: 'parseReportRotationsEvent',
} as const satisfies Partial<Record<StateName, keyof typeof today>>
type ParserName = (typeof parserOf)[keyof typeof parserOf]
/** The names of these parsers in the last release. Once record.ts has run for a newer release, this can go. */
const NAMES_IN_LAST_RELEASE: Partial<Record<ParserName, string>> = {
  parseCreateSecretEvent: 'startEvent',
  parseRotationEvent: 'rotationEvent',
  parseRollbackEvent: 'rollbackEvent',
  parseStartRotationEvent: 'startCallEvent',
  parseFindDueEvent: 'runEvent',
  parseAwaitRotationEvent: 'awaitedEvent',
  parseReportRotationsEvent: 'reportEvent',
}
const lastModule = await import(new URL('event.mjs', folder).href)
/** The last release's parsers, by today's names. */
export const lastParsers = Object.fromEntries(
  Object.values(parserOf).map(name => [name, lastModule[NAMES_IN_LAST_RELEASE[name] ?? name]]),
) as Pick<typeof today, ParserName>

/**
 * @returns what today's step must have: all that the last release's step had, with the same values. More is allowed, as the
 * functions of one release ignore keys that they do not know.
 */
const expectedStep = ({ state, input, output, error }: Step) => ({
  state,
  input: state === 'AnnounceFailures' ? fromEitherMachine(input) : input,
  // The state machine drops the output of these states.
  ...(!['SetSecret', 'TestSecret', 'FinishSecret'].includes(state) && output !== undefined && { output }),
  ...(error && { error }),
})

/** A run's report has the ARN of the execution that announced it: now rotate-server's, then rotate-due's. */
function fromEitherMachine(input: unknown) {
  const { Entries } = input as { Entries: { Detail: object }[] }
  const execution = expect.stringMatching(/:execution:keyturn-local-rotate-(due|server):/)
  return { Entries: Entries.map(entry => ({ ...entry, Detail: { ...entry.Detail, execution } })) }
}

/**
 * Makes the tests that run all scenarios with today's functions, and the state machines of one release. A file may call this
 * only once, as functions read their environment once.
 */
export async function describeScenarios(name: string, played: keyof typeof definitions): Promise<void> {
  const bin = await pythonBin()
  describe.skipIf(!bin)(name, () => {
    let embedded: Embedded
    let moto: Moto
    beforeAll(async () => {
      ;[embedded, moto] = await Promise.all([startEmbedded(), startMoto(bin ?? '')])
      process.env.AWS_ENDPOINT_URL_SSM = moto.url
    })
    afterAll(() => Promise.all([embedded?.stop(), moto?.stop()]))

    test('every state has the input and output that it had in the last release', async () => {
      captureOutput()
      const scenarios = await playScenarios(embedded, new SSMClient(), definitions[played])
      expect(scenarios.map(({ name }) => name)).toEqual(lastScenarios.map(({ name }) => name))
      for (const [i, { name, steps }] of lastScenarios.entries()) {
        // States that the last release did not have are left out.
        const played = scenarios[i]?.steps.filter(({ state }) => lastStates.has(state))
        expect(played, name).toMatchObject(steps.map(expectedStep))
        // A function of the last release may get this input during a deployment: it must parse it as it parsed its own.
        for (const [n, { state, input }] of steps.entries()) {
          const parse = lastParsers[parserOf[state as keyof typeof parserOf]]
          if (parse) expect(parse(played?.[n]?.input), `${name}, ${state}`).toEqual(parse(input))
        }
      }
    })
  })
}
