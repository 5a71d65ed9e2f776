import {
  DescribeExecutionCommand,
  type ExecutionListItem,
  ListExecutionsCommand,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn'
import { ask } from '../rotation/ask.ts'
import { InvalidInput, RotationError } from '../rotation/errors.ts'
import { functionHandler } from './shared/handler.ts'
import { peers } from './shared/peers.ts'
import { switchEvent } from './shared/promotionEvent.ts'
import { requestHandler } from './shared/requestHandler.ts'

const stepFunctions = new SFNClient({ requestHandler })
const stateMachineArn = process.env.KEYTURN_PROMOTIONS ?? ''
/** What the deployment says of a Region that still answers: `planned`, `lost`, or nothing. */
const mode = process.env.KEYTURN_REGION_SWITCH

/** Milliseconds for which a promotion that went well is the one that a plan asks for again. */
const SAME = 3_600_000

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
  switchEvent,
  ({ from }) => ({ from }),
  async event => {
    const from = regionOf(event)
    const prefix = `switch-${from}-`
    const last = await newest(prefix)
    if (last?.status === 'RUNNING') throw new PromotionRuns(`execution ${last.name} runs`)
    const ended = Number(last?.stopDate ?? 0)
    if (last?.status === 'SUCCEEDED' && Date.now() - ended < SAME) return reportOf(last)
    const name = `${prefix}${new Date().toISOString().replaceAll(/\D/g, '')}`
    const input = JSON.stringify({ from, ...(mode && { [mode]: true }) })
    const start = new StartExecutionCommand({ stateMachineArn, name, input })
    await ask('Step Functions', () => stepFunctions.send(start))
    throw new PromotionRuns(`execution ${name} was started`)
  },
)

/** The one that is named, or the only peer. @throws InvalidInput */
function regionOf({
  from = peers.length === 1 ? peers[0] : undefined,
}: {
  from?: string | undefined
}): string {
  if (from !== undefined && peers.includes(from)) return from
  throw new InvalidInput(
    `from: should name one of the Regions of the parameter peerRegions, which are ${peers.join() || 'none'}`,
  )
}

async function newest(prefix: string): Promise<ExecutionListItem | undefined> {
  const list = new ListExecutionsCommand({ stateMachineArn, maxResults: 100 })
  const { executions = [] } = await ask('Step Functions', () => stepFunctions.send(list))
  return executions
    .filter(({ name = '' }) => name.startsWith(prefix))
    .toSorted((a, b) => Number(b.startDate) - Number(a.startDate))[0]
}

async function reportOf({ executionArn }: ExecutionListItem): Promise<unknown> {
  const describe = new DescribeExecutionCommand({ executionArn })
  const { output = 'null' } = await ask('Step Functions', () => stepFunctions.send(describe))
  return JSON.parse(output)
}
