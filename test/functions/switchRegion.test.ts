import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import { makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import type { Task } from '../../local/embedded/stateMachine.ts'
import { RegionAnswers } from '../../rotation/errors.ts'
import { captureOutput } from '../support/observe.ts'

const from = 'eu-west-1'
const report = { from, rehearsal: false, count: 2, promoted: 2, failed: { count: 0, names: [] } }

let stepFunctions: StepFunctionsServer
beforeAll(async () => {
  stepFunctions = await startStepFunctions()
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_SFN: stepFunctions.url,
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    KEYTURN_PROMOTIONS: 'arn:aws:states:eu-central-1:123456789012:stateMachine:keyturn-local-promote',
  })
})
afterAll(() => stepFunctions.stop())

/** The result for which the state machine waits. */
let found: PromiseWithResolvers<object>
beforeEach(() => {
  captureOutput()
  stepFunctions.promoteExecutions.clear()
  found = Promise.withResolvers()
  Object.assign(stepFunctions.tasks, {
    ...makeEventBusTasks(),
    FindReplicas: () => found.promise,
    ReportPromotion: () => report,
  })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Loads the function with these parameters, as it reads its environment when it is loaded. */
async function deployed({ peerRegions = from, regionSwitch = '' } = {}): Promise<Task> {
  Object.assign(process.env, { KEYTURN_PEER_REGIONS: peerRegions, KEYTURN_REGION_SWITCH: regionSwitch })
  vi.resetModules()
  const { loadHandler } = await import('../../local/embedded/embedded.ts')
  return loadHandler('switchRegion')
}

const nothing = { items: [], count: 0, rehearsal: false, planned: false, fence: false }
const inputs = () => [...stepFunctions.promoteExecutions.values()].map(({ input }) => JSON.parse(input))
const names = () => [...stepFunctions.promoteExecutions.keys()]
/** Has the last execution end: with its report, or with this error. */
async function end(error?: Error): Promise<void> {
  if (error) found.reject(error)
  else found.resolve(nothing)
  await [...stepFunctions.promoteExecutions.values()].at(-1)?.ended
}
const runs = { name: 'PromotionRuns' }

describe('a step of a plan for ARC Region switch', () => {
  test('starts a promotion, fails while that runs, and returns its report at the end', async () => {
    const step = await deployed()
    await expect(step({})).rejects.toMatchObject({
      ...runs,
      message: expect.stringMatching(`^switchRegion: execution switch-${from}-\\d{17} was started$`),
    })
    expect(inputs()).toEqual([{ from }])
    for (const _ of [1, 2])
      await expect(step({})).rejects.toMatchObject({
        ...runs,
        message: `switchRegion: execution ${names()[0]} runs`,
      })
    await end()
    for (const _ of [1, 2]) expect(await step({})).toEqual(report)
    expect(names()).toHaveLength(1)
  })

  test.each(['planned', 'lost'])('is %s if the deployment says so', async regionSwitch => {
    const step = await deployed({ regionSwitch })
    await expect(step({})).rejects.toMatchObject(runs)
    expect(inputs()).toEqual([{ from, [regionSwitch]: true }])
  })

  test('starts anew after one that failed', async () => {
    const step = await deployed()
    await expect(step({})).rejects.toMatchObject(runs)
    await end(new RegionAnswers('it answers'))
    found = Promise.withResolvers()
    await expect(step({})).rejects.toMatchObject({
      ...runs,
      message: expect.stringMatching(/was started$/),
    })
    expect(names()).toHaveLength(2)
    await end()
    expect(await step({})).toEqual(report)
  })

  test('does not return a report of another day', async () => {
    const step = await deployed()
    await expect(step({})).rejects.toMatchObject(runs)
    await end()
    const minutes = (count: number) =>
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + count * 60_000 })
    minutes(50)
    expect(await step({})).toEqual(report)
    minutes(20)
    await expect(step({})).rejects.toMatchObject(runs)
    expect(names()).toHaveLength(2)
  })

  test('ignores executions that others have started', async () => {
    const step = await deployed()
    await expect(step({})).rejects.toMatchObject(runs)
    const [[name, started] = ['']] = [...stepFunctions.promoteExecutions]
    await end()
    stepFunctions.promoteExecutions.clear()
    stepFunctions.promoteExecutions.set(name.replace(from, 'us-east-1'), started as never)
    stepFunctions.promoteExecutions.set('by-hand', started as never)
    await expect(step({})).rejects.toMatchObject({ ...runs, message: expect.stringMatching(/was started$/) })
  })
})

describe('the Region that is left', () => {
  test.each([
    ['nothing', undefined],
    ['nothing of use', { from: 7 }],
    ['a text', 'execute'],
    ['what a plan may pass', { planArn: 'arn:plan', action: 'activate', targetRegion: 'eu-central-1' }],
    ['its name', { from }],
  ])('is the only peer, whether the event holds %s', async (_, event) => {
    const step = await deployed()
    await expect(step(event)).rejects.toMatchObject(runs)
    expect(inputs()).toEqual([{ from }])
  })

  test('is the one that the event names, where there are several peers', async () => {
    const step = await deployed({ peerRegions: `us-east-1,${from}` })
    await expect(step({ from })).rejects.toMatchObject(runs)
    await expect(step({ from: 'us-east-1' })).rejects.toMatchObject(runs)
    expect(inputs()).toEqual([{ from }, { from: 'us-east-1' }])
  })

  test.each([
    [`us-east-1,${from}`, {}, `us-east-1,${from}`],
    [from, { from: 'us-east-1' }, from],
    ['', {}, 'none'],
    ['', { from }, 'none'],
  ])(
    'with the peers %j and the event %j it is asked for, and nothing is started',
    async (peers, event, are) => {
      const step = await deployed({ peerRegions: peers })
      await expect(step(event)).rejects.toMatchObject({
        name: 'InvalidInput',
        message: `switchRegion: from: should name one of the Regions of the parameter peerRegions, which are ${are}`,
      })
      expect(names()).toEqual([])
    },
  )
})
