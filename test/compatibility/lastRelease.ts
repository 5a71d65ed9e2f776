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

/** What record.ts wrote down of the last release: its definitions, and what its executions were. */
const folder = new URL('./last/', import.meta.url)
export const lastScenarios: Scenario[] = readFileSync(new URL('scenarios.jsonl', folder), 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line))
const states = new Set(lastScenarios.flatMap(({ steps }) => steps.map(({ state }) => state)))
export const definitions = {
  last: { rotate: definitionOf('rotate', folder), 'rotate-due': definitionOf('rotate-due', folder) },
  today: { rotate: definitionOf('rotate'), 'rotate-due': definitionOf('rotate-due') },
}

/** The parser that takes what a state hands to its function. */
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
/** What the last release called these parsers. The next release's record has their names of today: see record.ts. */
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
/** The last release's parsers, by their names of today. */
export const lastParsers = Object.fromEntries(
  Object.values(parserOf).map(name => [name, lastModule[NAMES_IN_LAST_RELEASE[name] ?? name]]),
) as Pick<typeof today, ParserName>

/**
 * All that was there is there, with the same values: what the functions of one release give, those of the other
 * understand, as they leave out what they do not know.
 */
const compatible = ({ state, input, output, error }: Step) => ({
  state,
  input: state === 'AnnounceFailures' ? byWhichever(input) : input,
  // What these give is dropped by the definition.
  ...(!['SetSecret', 'TestSecret', 'FinishSecret'].includes(state) && output !== undefined && { output }),
  ...(error && { error }),
})

/** A run's report names the execution that announced it, which is rotate-server's by now. */
function byWhichever(input: unknown) {
  const { Entries } = input as { Entries: { Detail: object }[] }
  const execution = expect.stringMatching(/:execution:keyturn-local-rotate-(due|server):/)
  return { Entries: Entries.map(entry => ({ ...entry, Detail: { ...entry.Detail, execution } })) }
}

/** Plays everything with today's functions. It is a file's only one, as functions read their environment once. */
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

    test('every state gets and gives what it did in the last release', async () => {
      captureOutput()
      const scenarios = await playScenarios(embedded, new SSMClient(), definitions[played])
      expect(scenarios.map(({ name }) => name)).toEqual(lastScenarios.map(({ name }) => name))
      for (const [i, { name, steps }] of lastScenarios.entries()) {
        // States that it did not have are today's own affair.
        const played = scenarios[i]?.steps.filter(({ state }) => states.has(state))
        expect(played, name).toMatchObject(steps.map(compatible))
        // A function of the last release may be asked next: it takes this as it took its own.
        for (const [n, { state, input }] of steps.entries()) {
          const door = lastParsers[parserOf[state as keyof typeof parserOf]]
          if (door) expect(door(played?.[n]?.input), `${name}, ${state}`).toEqual(door(input))
        }
      }
    })
  })
}
