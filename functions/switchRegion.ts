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
/** What the deployment allows while the Region that is given up still answers: `planned`, `lost`, or nothing. */
const switchMode = process.env.KEYTURN_REGION_SWITCH

/** Milliseconds after a successful promotion within which a call gets its report instead of starting another promotion. */
const REUSE_REPORT_MS = 3_600_000

/** Thrown while a promotion runs, so that the plan calls the function again later. */
class PromotionRuns extends RotationError {
  override readonly name = 'PromotionRuns'
}

/**
 * A step of a Region switch plan of Application Recovery Controller, which retries a function that fails:
 * https://docs.aws.amazon.com/r53recovery/latest/dg/custom-action-lambda-block.html
 *
 * The first call starts a promotion and fails. Further calls fail while the promotion runs. Once it has succeeded, calls return its
 * report for an hour. After a promotion that failed, and after that hour, a call starts another promotion. AWS does not document
 * the event that the plan passes, so nothing of it is needed if this stack has one peer Region.
 * @throws PromotionRuns the promotion was started or runs
 * @throws InvalidInput the event has to name a peer Region, and does not
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

/** The Region that the event names, or else the only peer Region. @throws InvalidInput if it is no peer, or there are several */
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

/** The newest execution whose name begins with `prefix`, among the newest hundred of promote. */
async function latestExecution(prefix: string): Promise<ExecutionListItem | undefined> {
  const list = new ListExecutionsCommand({ stateMachineArn, maxResults: 100 })
  const { executions = [] } = await callAws('Step Functions', () => stepFunctions.send(list))
  return executions
    .filter(({ name = '' }) => name.startsWith(prefix))
    .toSorted((a, b) => Number(b.startDate) - Number(a.startDate))[0]
}

/** The output of an execution of promote. */
async function reportOf({ executionArn }: ExecutionListItem): Promise<unknown> {
  const describe = new DescribeExecutionCommand({ executionArn })
  const { output = 'null' } = await callAws('Step Functions', () => stepFunctions.send(describe))
  return JSON.parse(output)
}
