import type { StateName } from './states.ts'

/**
 * The steps for which Secrets Manager calls a secret's rotation function, in their order.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
 */
export const SERVICE_STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const
/** One of SERVICE_STEPS. */
export type ServiceStep = (typeof SERVICE_STEPS)[number]

/**
 * For each step, the state of rotate whose entry proves that the step has succeeded. Between CreateSecret and SetSecret, states of
 * replicas and of the rehearsal may come. A failure leads to one of these states only from FinishSecret: if the rollback finds that
 * the new value is current already, AnnounceSuccess follows.
 */
export const STATE_AFTER_STEP: Record<ServiceStep, StateName<'rotate'>> = {
  createSecret: 'SetSecret',
  setSecret: 'TestSecret',
  testSecret: 'FinishSecret',
  finishSecret: 'AnnounceSuccess',
}
