import type { Ledger } from './alarm/ledger.ts'
import { parseEnvironment } from './environment.ts'
import { startCallEvent } from './event.ts'
import { Executions } from './executions.ts'
import { functionHandler } from './handler.ts'
import { logger } from './logger.ts'
import { requestHandler } from './requestHandler.ts'

let ledger: Ledger | undefined
const executions = new Executions(parseEnvironment(process.env).executions, { requestHandler })

/**
 * Starts a rotation under a token that its caller knows, so that it begins once, however often it is asked for.
 * What Parameter Store's own events ask for is looked at first: they are for every parameter of the account, and may
 * come late.
 */
export const handler = functionHandler(
  'startRotation',
  startCallEvent,
  ({ store, id, token }) => ({ store, id, token }),
  async ({ at, until, ...input }) => {
    const reason = until && new Date() >= until ? 'its window has closed' : at && (await whyNot(input.id, at))
    if (reason) return { ...input, outcome: 'skipped', reason }
    if (input.group) await join(input.token, input.group)
    const started = await executions.start({ token: input.token, number: 1 }, input)
    if (started) return { ...input, outcome: 'started' }
    return { ...input, outcome: 'skipped', reason: 'this token was tried already; the next try comes later' }
  },
)

/** Milliseconds. A rotation does not wait for the alarm's table. */
const PATIENCE = 5_000

/**
 * Writes down that the run's report tells of this rotation as well, should it fail. Only what is written here makes
 * raiseAlarm leave a failure to a report: an execution's input can be made by whoever may start one. Where it cannot be
 * written, each failure is told by itself.
 */
async function join(token: string, group: string): Promise<void> {
  const table = process.env.KEYTURN_ALARM_TABLE
  if (!table) return
  const [{ DynamoDBClient }, { Ledger }] = await Promise.all([
    import('@aws-sdk/client-dynamodb'),
    import('./alarm/ledger.ts'),
  ])
  ledger ??= new Ledger(new DynamoDBClient({ requestHandler, maxAttempts: 2 }), table)
  await ledger
    .within(PATIENCE)
    .join(token, group)
    .catch(error => logger.warn('the ledger failed, so each failure is told by itself', { error }))
}

/** Why a parameter is not to rotate although an event of the time `at` says so. Only events need what is loaded. */
async function whyNot(id: string, at: Date): Promise<string | undefined> {
  const [{ SSMClient }, { changesOf, tagsOf }] = await Promise.all([
    import('@aws-sdk/client-ssm'),
    import('../fleet/parameters.ts'),
  ])
  const ssm = new SSMClient({ requestHandler })
  const changed = (await changesOf(ssm, [id])).get(id)
  if (!changed) return 'there is no such parameter any more'
  if ((await tagsOf(ssm, id))['keyturn:managed'] !== 'true') return 'it lacks the tag keyturn:managed=true'
  return changed > at ? 'it has changed since then' : undefined
}
