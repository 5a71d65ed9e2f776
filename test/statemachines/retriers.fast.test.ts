import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { MachineName } from '../../fleet/states.ts'
import { definitionUrlOf, machineNames, retryingStates, withRetriers } from '../../scripts/retriers.ts'

const read = (machine: MachineName) => readFileSync(definitionUrlOf(machine), 'utf8')

type Inside = { States: States }
type States = Record<string, { Retry?: object[]; ItemProcessor?: Inside; Branches?: Inside[] }>
/** The states with a Retry block, also those inside a Map or a Parallel. */
const statesWithRetry = (states: States): string[] =>
  Object.entries(states).flatMap(([name, { Retry, ItemProcessor, Branches = [] }]) => [
    ...(Retry ? [name] : []),
    ...statesWithRetry(ItemProcessor?.States ?? {}),
    ...Branches.flatMap(({ States }) => statesWithRetry(States)),
  ])

test('the script writes the Retry blocks of every state machine', () => {
  const files = readdirSync(new URL('../../statemachines', import.meta.url))
  expect(machineNames.map(name => `${name}.asl.json`).sort()).toEqual(files.sort())
})

describe.each(machineNames)('%s', machine => {
  const json = read(machine)

  test('has the Retry blocks that the script writes, word for word', () => {
    expect(json).toBe(withRetriers(machine, json))
  })

  test('has a Retry block in no other state', () => {
    expect(statesWithRetry(JSON.parse(json).States).sort()).toEqual(retryingStates(machine).sort())
  })

  test('the script replaces a Retry block that was edited by hand', () => {
    const blocks = [...json.matchAll(/"Retry": \[[\s\S]*?^ *\}\n *\]/gm)]
    expect(blocks).toHaveLength(retryingStates(machine).length)
    for (const { 0: block, index } of blocks)
      for (const edited of [
        block.replace(/(?<="MaxAttempts": )\d+/, attempts => `${Number(attempts) + 1}`),
        block.replace(/(?<="ErrorEquals": \[\s*)"/, '"Another", "'),
        block.replace(/\n/, '\n\n'),
        block.replace(/\n[\s\S]*\n/, '\n'),
      ]) {
        const changed = json.slice(0, index) + edited + json.slice(index + block.length)
        expect(changed).not.toBe(json)
        expect(withRetriers(machine, changed)).toBe(json)
      }
  })
})

test('the script refuses a state without a Retry block, which would get none', () => {
  const json = read('rotate').replace('"Retry"', '"Retries"')
  expect(() => withRetriers('rotate', json)).toThrow(/"LookAtReplicas".*there should be one/)
})
