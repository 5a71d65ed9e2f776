import type { StateName } from './states.ts'

/**
 * The steps for which Secrets Manager calls a secret's rotation function, in their order.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
 */
export const SERVICE_STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const
/** One of SERVICE_STEPS. */
export type ServiceStep = (typeof SERVICE_STEPS)[number]

/**
 * For each step, the state of rotate whose entry proves that the step has succeeded: no failure leads there. For createSecret it is
 * the next step; states of replicas and of the rehearsal may come between.
 */
export const STATE_AFTER_STEP: Record<ServiceStep, StateName<'rotate'>> = {
  createSecret: 'SetSecret',
  setSecret: 'TestSecret',
  testSecret: 'FinishSecret',
  finishSecret: 'AnnounceSuccess',
}
