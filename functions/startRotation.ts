import { type Attempt, Executions, type RotationInput } from '../fleet/executions.ts'
import type { ServerLocks } from '../fleet/serverLocks.ts'
import { isManaged } from '../rotation/tags.ts'
import type { Ledger } from './alarm/ledger.ts'
import { parseEnvironment } from './shared/environment.ts'
import { parseStartRotationEvent } from './shared/event.ts'
import { functionHandler } from './shared/handler.ts'
import { logger } from './shared/logger.ts'
import { REQUEST_TIMEOUTS } from './shared/requestTimeouts.ts'

let ledger: Ledger | undefined
const environment = parseEnvironment(process.env)
const executions = new Executions(environment.executionArnPrefix, { requestHandler: REQUEST_TIMEOUTS })
let servers: ServerLocks | undefined

/**
 * Events of Parameter Store that are at most so many milliseconds apart belong together. Several policies of one parameter version
 * may each send an event, and EventBridge may deliver an event late. A rotation that began less than this before an event counts
 * as started for that event.
 */
const EVENT_SPREAD_MS = 3_600_000

/**
 * Starts an execution of rotate that has the caller's token as its name, so that repeated calls start one rotation only.
 *
 * A call with `at` comes from an event of Parameter Store, and its token is the id of that event. Such events come for every
 * parameter of the account, may come late, and several may come for one version. So planForEvent first decides what to start.
 * @returns the credential with `outcome`: started; skipped, with the reason; or parked, because its server does not answer
 */
export const handler = functionHandler(
  'startRotation',
  parseStartRotationEvent,
  ({ store, id, token }) => ({ store, id, token }),
  async ({ at, until, server, ...asked }) => {
    if (server && (await isServerDown(server)))
      return { ...asked, outcome: 'parked', reason: 'its server does not answer' }
    const plan =
      until && new Date() >= until ? 'its window has closed' : at && (await planForEvent(asked, at))
    if (typeof plan === 'string') return { ...asked, outcome: 'skipped', reason: plan }
    const { number, ...input } = plan ?? { ...asked, number: 1 }
    if (input.group) await noteReportingGroup(input.token, input.group)
    const started = await executions.ensureStarted({ token: input.token, number }, input)
    if (started) return { ...input, outcome: 'started' }
    return { ...input, outcome: 'skipped', reason: 'this token was tried already; the next try comes later' }
  },
)

/** Whether the server did not answer an earlier rotation of the execution `server` of rotate-server. */
async function isServerDown(server: string): Promise<boolean> {
  const { ServerLocks } = await import('../fleet/serverLocks.ts')
  servers ??= new ServerLocks(environment.serverStateMachineArn, { requestHandler: REQUEST_TIMEOUTS })
  return (await servers.outageOf(server)) !== undefined
}

/** Milliseconds that writing to the alarms' table may take in all: a rotation must not wait for that table. */
const LEDGER_TIMEOUT_MS = 5_000

/**
 * Writes to the alarms' table that the report of a run will tell of this rotation too, should it fail. raiseAlarm then sends an
 * alarm only of the first error of the group, and leaves the others to the report. The table is written here because the input of an execution proves nothing: whoever may start an
 * execution chooses its input. If the table cannot be written, each failure raises an alarm of its own.
 */
async function noteReportingGroup(token: string, group: string): Promise<void> {
  const table = process.env.KEYTURN_ALARM_TABLE
  if (!table) return
  const [{ Ledger }, { LedgerTable }] = await Promise.all([
    import('./alarm/ledger.ts'),
    import('./alarm/ledgerTable.ts'),
  ])
  ledger ??= new Ledger(LedgerTable.over({ requestHandler: REQUEST_TIMEOUTS, maxAttempts: 2 }, table))
  await ledger
    .withTimeout(LEDGER_TIMEOUT_MS)
    .assignToGroup(token, group)
    .catch(error => logger.warn('the ledger failed, so each failure is told by itself', { error }))
}

/**
 * Decides what to start for an event of Parameter Store. The rotation is named after the parameter's version, so that several
 * events of one version start it once. Its input holds the id of the event. The modules are loaded here because only events need
 * them.
 * @param asked what the caller asked for, with the id of the event as its token
 * @param at when the event was sent
 * @returns the execution to start, or a text that says why nothing is to be started
 */
async function planForEvent(asked: RotationInput, at: Date): Promise<string | (RotationInput & Attempt)> {
  const { store, id, token: event } = asked
  const [
    { SSMClient },
    { findModificationDates, findRunningTokens, fetchParameterTags },
    { policyTokenFor },
  ] = await Promise.all([
    import('../fleet/systemsManager.ts'),
    import('../fleet/parameters.ts'),
    import('../fleet/due.ts'),
  ])
  const ssm = new SSMClient({ requestHandler: REQUEST_TIMEOUTS })
  const currentSince = (await findModificationDates(ssm, [id])).get(id)
  if (!currentSince) return 'there is no such parameter any more'
  if (!isManaged(await fetchParameterTags(ssm, id))) return 'it lacks the tag keyturn:managed=true'
  if (currentSince > at) return 'it has changed since then'
  const token = policyTokenFor({ store, id, currentSince })
  const last = await executions.findLatestAttempt(token)
  const running = last?.status === 'RUNNING' ? token : await findRunning(await findRunningTokens(ssm, id))
  if (running) return `its rotation ${running} still runs, be it in its grace time`
  const input = { store, id, token, event }
  if (!last) return { ...input, number: 1 }
  const isForEarlierEvent = last.started && last.started.getTime() < at.getTime() - EVENT_SPREAD_MS
  if (last.status === 'SUCCEEDED' || !isForEarlierEvent) return 'a rotation of this version was tried already'
  return { ...input, number: last.number + 1 }
}

/** The first of these tokens whose execution runs, be it in its grace time. */
async function findRunning(tokens: string[]): Promise<string | undefined> {
  for (const token of tokens)
    if ((await executions.findLatestAttempt(token))?.status === 'RUNNING') return token
  return undefined
}
