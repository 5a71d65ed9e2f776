import type { StateName } from './states.ts'

/** The steps that Secrets Manager asks for, in their order. */
export const SERVICE_STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const
export type ServiceStep = (typeof SERVICE_STEPS)[number]

/** A step is passed once the state after it was entered: no failure leads there. */
export const STATE_AFTER_STEP: Record<ServiceStep, StateName<'rotate'>> = {
  createSecret: 'SetSecret',
  setSecret: 'TestSecret',
  testSecret: 'FinishSecret',
  finishSecret: 'AnnounceSuccess',
}
