import {
  DescribeExecutionCommand,
  type ExecutionListItem,
  ListExecutionsCommand,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn'
import { callAws } from '../rotation/callAws.ts'
import { InvalidInput, RotationError } from '../rotation/errors.ts'
import { functionHandler } from './shared/handler.ts'
import { peerRegions } from './shared/peers.ts'
import { parseSwitchRegionEvent } from './shared/promotionEvent.ts'
import { REQUEST_TIMEOUTS } from './shared/requestTimeouts.ts'

const stepFunctions = new SFNClient({ requestHandler: REQUEST_TIMEOUTS })
const stateMachineArn = process.env.KEYTURN_PROMOTIONS ?? ''
/** What the deployment says of a Region that still answers: `planned`, `lost`, or nothing. */
const switchMode = process.env.KEYTURN_REGION_SWITCH

/** Milliseconds for which a promotion that went well is the one that a plan asks for again. */
const REUSE_REPORT_MS = 3_600_000

/** A promotion runs, and its report is not there yet: ask again. */
class PromotionRuns extends RotationError {
  override readonly name = 'PromotionRuns'
}

/**
 * A step of a plan of Application Recovery Controller: it starts a promotion, fails while that runs, so that the plan asks again,
 * and then gives its report. What AWS passes to it is not documented, so it needs nothing of that where there is one peer.
 */
export const handler = functionHandler(
  'switchRegion',
  parseSwitchRegionEvent,
  ({ from }) => ({ from }),
  async event => {
    const from = regionOf(event)
    const prefix = `switch-${from}-`
    const last = await latestExecution(prefix)
    if (last?.status === 'RUNNING') throw new PromotionRuns(`execution ${last.name} runs`)
    const ended = Number(last?.stopDate ?? 0)
    if (last?.status === 'SUCCEEDED' && Date.now() - ended < REUSE_REPORT_MS) return reportOf(last)
    const name = `${prefix}${new Date().toISOString().replaceAll(/\D/g, '')}`
    const input = JSON.stringify({ from, ...(switchMode && { [switchMode]: true }) })
    const start = new StartExecutionCommand({ stateMachineArn, name, input })
    await callAws('Step Functions', () => stepFunctions.send(start))
    throw new PromotionRuns(`execution ${name} was started`)
  },
)

/** The one that is named, or the only peer. @throws InvalidInput */
function regionOf({
  from = peerRegions.length === 1 ? peerRegions[0] : undefined,
}: {
  from?: string | undefined
}): string {
  if (from !== undefined && peerRegions.includes(from)) return from
  throw new InvalidInput(
    `from: should name one of the Regions of the parameter peerRegions, which are ${peerRegions.join() || 'none'}`,
  )
}

async function latestExecution(prefix: string): Promise<ExecutionListItem | undefined> {
  const list = new ListExecutionsCommand({ stateMachineArn, maxResults: 100 })
  const { executions = [] } = await callAws('Step Functions', () => stepFunctions.send(list))
  return executions
    .filter(({ name = '' }) => name.startsWith(prefix))
    .toSorted((a, b) => Number(b.startDate) - Number(a.startDate))[0]
}

async function reportOf({ executionArn }: ExecutionListItem): Promise<unknown> {
  const describe = new DescribeExecutionCommand({ executionArn })
  const { output = 'null' } = await callAws('Step Functions', () => stepFunctions.send(describe))
  return JSON.parse(output)
}
