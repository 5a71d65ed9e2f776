import { TooEarly } from '../shared/queueBatch.ts'
import { type Alarm, downgradeToError } from './alarm.ts'
import { AlarmClaimed, type Claim, type Ledger } from './ledger.ts'
import { recoveryAlarmOf } from './readAlarm.ts'
import { readSuccess } from './readFailure.ts'
import { laggingFindingOf } from './replicaFindings.ts'
import type { AlarmTask, TellingContext } from './task.ts'
import { verifyWithRetries } from './verifyEvent.ts'

/**
 * Decides by the ledger whether an alarm has to be sent, and claims the right to send it.
 * @returns the task with its claim; undefined if there is nothing to send, mostly because every outlet has the alarm already
 * @throws AlarmClaimed another call of the function is sending the alarm
 * @throws TooEarly the history of the execution does not have the recovery yet, or could not be read
 */
export async function decide(
  task: AlarmTask,
  ledger: Ledger,
  context: TellingContext,
): Promise<AlarmTask | undefined> {
  if (task.alarm.severity === 'ok') return decideRecovery(task, ledger, context)
  // If the ledger fails, the alarm is sent: an alarm that is sent twice is better than one that waits for DynamoDB.
  const ask = <T>(call: Promise<T>, otherwise: T): Promise<T> =>
    call.catch(error => {
      if (error instanceof AlarmClaimed) throw error
      context.log.error('the ledger failed, so this may be told twice', { error })
      return otherwise
    })
  let { alarm } = task
  if (alarm.preexistingKey && !(await ask(ledger.isFirstToFind(alarm.preexistingKey, alarm.key), true)))
    alarm = downgradeToError(alarm)
  const { findings, toldOnlyOnce } = alarm
  if (
    findings &&
    !(await ask(ledger.untoldFindings(findings, alarm.happenedAt, toldOnlyOnce), findings)).length
  ) {
    // Findings that are told only once are noted again, so that the ledger keeps them for as long as events report them.
    if (toldOnlyOnce) await ask(ledger.markFindingsTold(findings, alarm.happenedAt, toldOnlyOnce), undefined)
    // An event with less detail about the same execution has no findings. So the keys are noted, which keep it from being told.
    const keys = alarm.otherKeys.length ? [alarm.key, ...alarm.otherKeys] : []
    for (const key of keys) await ask(ledger.markTold(key, alarm.happenedAt), undefined)
    return undefined
  }
  if (
    alarm.reportedExecution &&
    !(await ask(ledger.isFirstOfGroup(alarm.reportedExecution, alarm.key), true))
  )
    return undefined
  const claimWithoutLedger: Claim = { key: alarm.key, claimedBy: '', toldOutlets: new Set() }
  const claim = await ask(ledger.claim(alarm.key, alarm.happenedAt, alarm.severity), claimWithoutLedger)
  if (!claim) return undefined
  if (alarm.topicTold) claim.toldOutlets.add('topic')
  const open = alarm.credential
    ? await ask(
        ledger.openFailure(alarm.credential, alarm.happenedAt, alarm.severity, isOfReplicas(alarm)),
        true,
      )
    : false
  return { ...task, alarm, claim, open: open || !alarm.credential }
}

/** Whether the failure is only that replicas do not follow, which ends when they do. */
const isOfReplicas = ({ credential = '', findings = [], coveredFindings = [] }: Alarm) =>
  [...findings, ...coveredFindings].includes(laggingFindingOf(credential))

/**
 * Claims a recovery. It is sent if the ledger has an open failure of the credential that it ends, and the history of the execution
 * has the success.
 */
async function decideRecovery(
  task: AlarmTask,
  ledger: Ledger,
  context: TellingContext,
): Promise<AlarmTask | undefined> {
  const { alarm, items } = task
  const claim = await ledger.claimRecovery(alarm.credential ?? '', alarm.happenedAt, alarm.replicasFollowed)
  if (!claim) return undefined
  const event = items[0]?.event ?? {}
  const verified = await verifyWithRetries(
    event,
    context.histories,
    AbortSignal.timeout(context.timeLimitsMs.look),
    context.timeLimitsMs.retry,
  )
  const success = readSuccess(verified)
  const proven =
    success && verified.verdict === 'proven' && recoveryAlarmOf(success, verified.event, context.stack)
  if (proven && proven.credential === alarm.credential && proven.happenedAt >= claim.failedAt)
    return { ...task, alarm: { ...proven, recoveredSeverities: claim.severities }, claim, open: true }
  await ledger.releaseClaim(claim).catch(() => {})
  if (verified.verdict === 'denied' || proven) return undefined
  throw new TooEarly('whether the rotation went well could not be looked up')
}
