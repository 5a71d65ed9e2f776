import { expect, test } from 'vitest'
import { type FunctionsProcess, makeFunctionTasks } from '../../../bench/official/keyturnRotator.ts'

/** Functions that take a while and return their name, except testSecret, which fails. */
const functions = {
  async call(name: string) {
    await new Promise(setImmediate)
    const error = name === 'testSecret' ? { name: 'TestFailed', message: 'no' } : null
    return { answer: name, error, wall: 0, cpu: 0, memory: 0 }
  },
} as unknown as FunctionsProcess

test('functions of an execution run one after the other, also in branches, and after one that failed', async () => {
  const seen: string[] = []
  const tasks = makeFunctionTasks(functions, async (state, call) => {
    seen.push(`${state} begins`)
    const outcome = await call()
    seen.push(`${state} ends`)
    return outcome
  })
  const branches = [tasks.TestSecret?.({}), tasks.FinishSecret?.({}), tasks.RollbackSecret?.({})]
  expect(await Promise.allSettled(branches)).toMatchObject([
    { status: 'rejected', reason: { name: 'TestFailed', message: 'no' } },
    { status: 'fulfilled', value: 'finishSecret' },
    { status: 'fulfilled', value: 'rollbackSecret' },
  ])
  const states = ['TestSecret', 'FinishSecret', 'RollbackSecret']
  expect(seen).toEqual(states.flatMap(state => [`${state} begins`, `${state} ends`]))
})
