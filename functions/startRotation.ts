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
 * Events of one scan for a parameter's policies may come so many milliseconds apart, and are handed over for as long:
 * what was tried within that time before an event was tried for its sake.
 */
const EVENT_SPREAD_MS = 3_600_000

/**
 * Starts a rotation under a token that its caller knows, so that it begins once, however often it is asked for.
 * What Parameter Store's own events ask for is looked at first: they are for every parameter of the account, may come
 * late, and several may come for one version.
 */
export const handler = functionHandler(
  'startRotation',
  parseStartRotationEvent,
  ({ store, id, token }) => ({ store, id, token }),
  async ({ at, until, server, ...asked }) => {
    if (server && (await isServerDown(server)))
      return { ...asked, outcome: 'parked', reason: 'its server does not answer' }
    const found =
      until && new Date() >= until ? 'its window has closed' : at && (await planForEvent(asked, at))
    if (typeof found === 'string') return { ...asked, outcome: 'skipped', reason: found }
    const { number, ...input } = found ?? { ...asked, number: 1 }
    if (input.group) await noteReportingGroup(input.token, input.group)
    const started = await executions.ensureStarted({ token: input.token, number }, input)
    if (started) return { ...input, outcome: 'started' }
    return { ...input, outcome: 'skipped', reason: 'this token was tried already; the next try comes later' }
  },
)

async function isServerDown(server: string): Promise<boolean> {
  const { ServerLocks } = await import('../fleet/serverLocks.ts')
  servers ??= new ServerLocks(environment.serverStateMachineArn, { requestHandler: REQUEST_TIMEOUTS })
  return (await servers.outageOf(server)) !== undefined
}

/** Milliseconds. A rotation does not wait for the alarm's table. */
const LEDGER_TIMEOUT_MS = 5_000

/**
 * Writes down that the run's report tells of this rotation as well, should it fail. Only what is written here makes
 * raiseAlarm leave a failure to a report: an execution's input can be made by whoever may start one. Where it cannot be
 * written, each failure is told by itself.
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
 * What to start as an event of the time `at` says, whose id is in place of a token: a rotation that is named after the
 * parameter's version, with the event in its input, so that another one is told that it was. A text is why nothing is
 * to start. Only events need what is loaded.
 */
async function planForEvent(
  { store, id, token: event }: RotationInput,
  at: Date,
): Promise<string | (RotationInput & Attempt)> {
  const [
    { SSMClient },
    { findModificationDates: changesOf, findRunningTokens: rotationsOf, fetchParameterTags: tagsOf },
    { policyTokenFor: policyToken },
  ] = await Promise.all([
    import('../fleet/systemsManager.ts'),
    import('../fleet/parameters.ts'),
    import('../fleet/due.ts'),
  ])
  const ssm = new SSMClient({ requestHandler: REQUEST_TIMEOUTS })
  const since = (await changesOf(ssm, [id])).get(id)
  if (!since) return 'there is no such parameter any more'
  if (!isManaged(await tagsOf(ssm, id))) return 'it lacks the tag keyturn:managed=true'
  if (since > at) return 'it has changed since then'
  const token = policyToken({ store, id, currentSince: since })
  const last = await executions.findLatestAttempt(token)
  const running = last?.status === 'RUNNING' ? token : await findRunning(await rotationsOf(ssm, id))
  if (running) return `its rotation ${running} still runs, be it in its grace time`
  const input = { store, id, token, event }
  if (!last) return { ...input, number: 1 }
  const before = last.started && last.started.getTime() < at.getTime() - EVENT_SPREAD_MS
  if (last.status === 'SUCCEEDED' || !before) return 'a rotation of this version was tried already'
  return { ...input, number: last.number + 1 }
}

async function findRunning(tokens: string[]): Promise<string | undefined> {
  for (const token of tokens)
    if ((await executions.findLatestAttempt(token))?.status === 'RUNNING') return token
  return undefined
}
