import { expect, test } from 'vitest'
import { type BusEvent, makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { runExecution, type Task } from '../../local/embedded/stateMachine.ts'
import {
  executionInput,
  executionName,
  makeFailingTask,
  makeTaskFailingFirst,
} from '../support/rotateTasks.ts'

const event = { ...executionInput, result: 'failed', failed: ['login'], warnings: ['tls'] }
const checked = {
  ...executionInput,
  result: 'failed',
  lines: [{ line: 'login', state: 'failed', says: 'refused' }],
}

async function run(CheckCredential: Task) {
  const events: BusEvent[] = []
  const seen: unknown[] = []
  const tasks = {
    ...makeEventBusTasks(entry => events.push(entry)),
    CheckCredential: (given: unknown) => {
      seen.push(given)
      return CheckCredential(given)
    },
  }
  return { events, seen, ...(await runExecution('check', tasks, executionName, executionInput)) }
}

test('the function gets the input, the event has the names of the lines, and the caller gets everything', async () => {
  const { output, seen, events } = await run(() => ({ checked, event }))
  expect(seen).toEqual([executionInput])
  expect(output).toEqual(checked)
  expect(events).toEqual([
    {
      Source: 'keyturn',
      DetailType: 'Credential Checked',
      EventBusName: 'default',
      Detail: { execution: expect.stringMatching(`check:${executionName}$`), ...event },
    },
  ])
})

test('a function that was idle for weeks is tried again until Lambda has prepared it', async () => {
  const { output, tries } = await run(
    makeTaskFailingFirst('Lambda.ENINotReadyException', 30, { checked, event }),
  )
  expect(output).toEqual(checked)
  expect(tries.CheckCredential).toBe(31)
})

test.each(['States.Timeout', 'Sandbox.Timedout', 'Runtime.ExitError', 'Unexpected', 'InvalidInput'])(
  'a check that may have logged in before it failed (%s) is not tried again, and its failure is announced',
  async error => {
    const { failure, tries, events } = await run(makeFailingTask(error))
    expect(failure).toMatchObject({ error })
    expect(tries.CheckCredential).toBe(1)
    expect(events.map(({ DetailType, Detail }) => ({ DetailType, Detail }))).toEqual([
      {
        DetailType: 'Credential Checked',
        Detail: { execution: expect.stringMatching(`check:${executionName}$`), result: 'not-checked', error },
      },
    ])
  },
)
