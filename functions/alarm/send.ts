import { settleConcurrently } from '../../fleet/concurrency.ts'
import type { Alarm } from './alarm.ts'
import type { Ledger } from './ledger.ts'
import type { Outlet } from './outlets.ts'
import { laggingFindingOf, promotedFindingOf } from './replicaFindings.ts'
import { type AlarmTask, resultsOf, type TellingContext, type TellResult } from './task.ts'

/**
 * Sends the alarms to every outlet that does not have them yet, and notes in the ledger which outlet has which. A failure of one
 * outlet does not keep the alarms from the other.
 */
export async function sendAll(tasks: AlarmTask[], context: TellingContext): Promise<TellResult[]> {
  const failures = new Map<AlarmTask, Error>()
  const writes: Promise<void>[] = []
  const noteTold = (task: AlarmTask, outlet: Outlet) => {
    const { claim } = task
    if (!claim) return
    claim.toldOutlets.add(outlet)
    if (!claim.claimedBy) return
    const ledger = context.ledger.withTimeout(context.timeLimitsMs.ledger)
    const write = ledger
      .markOutletTold(claim, outlet)
      .catch(error => context.log.error('the ledger failed', { error }))
    writes.push(write)
  }
  const tasksLeftFor = (outlet: Outlet) => tasks.filter(({ claim }) => !claim?.toldOutlets.has(outlet))
  const topic = settleConcurrently(tasksLeftFor('topic'), 10, async task => {
    try {
      if (Date.now() > context.deadline) throw new Error('no time is left')
      await context.publish(task.alarm)
      noteTold(task, 'topic')
    } catch (error) {
      failures.set(task, error as Error)
    }
  })
  const webhook = (async () => {
    const due = new Map(tasksLeftFor('webhook').map(task => [task.alarm, task]))
    if (!due.size) return
    const told = async (alarms: Alarm[]) => {
      for (const alarm of alarms) noteTold(due.get(alarm) as AlarmTask, 'webhook')
    }
    try {
      const failed = await context.post([...due.keys()], context.deadline, told)
      for (const [alarm, error] of failed) failures.set(due.get(alarm) as AlarmTask, error)
    } catch (error) {
      for (const task of due.values())
        if (!task.claim?.toldOutlets.has('webhook')) failures.set(task, error as Error)
    }
  })()
  await Promise.all([topic, webhook])
  await Promise.all(writes)
  const finishing = context.ledger.withTimeout(context.timeLimitsMs.ledger)
  await settleConcurrently(tasks, 20, task => finish(task, !failures.has(task), finishing, context))
  return tasks.flatMap(task => resultsOf(task, failures.has(task) ? 'failed' : 'told', failures.get(task)))
}

/**
 * Notes in the ledger what follows once every outlet has an alarm (`isSent`). Otherwise releases the claim, so that the next try
 * need not wait for the end of the lease.
 */
async function finish(
  { alarm, claim }: AlarmTask,
  isSent: boolean,
  ledger: Ledger,
  context: TellingContext,
): Promise<void> {
  try {
    if (!isSent) {
      if (claim?.claimedBy) await ledger.releaseClaim(claim)
      return
    }
    if (alarm.severity === 'ok') {
      if (claim) await ledger.closeFailure(claim, alarm.happenedAt)
      // If a replica lags or the secret is promoted elsewhere again, even on the same day, that is another failure, and has to be
      // told.
      const { credential } = alarm
      if (credential) await ledger.markFindingsUntold([laggingFindingOf(credential)], alarm.happenedAt)
      if (credential) await ledger.markFindingsUntold([promotedFindingOf(credential)], alarm.happenedAt, true)
      return
    }
    for (const key of alarm.otherKeys) await ledger.markTold(key, alarm.happenedAt)
    await ledger.markFindingsTold(
      [...(alarm.findings ?? []), ...(alarm.coveredFindings ?? [])],
      alarm.happenedAt,
      alarm.toldOnlyOnce,
    )
  } catch (error) {
    context.log.error('the ledger failed, so this may be told twice', { error })
  }
}
